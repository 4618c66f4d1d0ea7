import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import {
  dockerManifest,
  dockerManifestList,
  isIndexMediaType,
  isManifestMediaType,
  isNonDistributable,
  isSchema1MediaType,
  isWellFormedMediaType,
  ociEmpty,
  ociIndex,
  ociManifest,
} from './media-types.ts'

suite('media types', () => {
  test('the four well-known types are manifests, two of them indexes', () => {
    const all = [ociManifest, dockerManifest, ociIndex, dockerManifestList]
    assert.deepEqual(all.map(isManifestMediaType), [true, true, true, true])
    assert.deepEqual(all.map(isIndexMediaType), [false, false, true, true])
  })

  test('others are neither, however alike', () => {
    const others = [
      ociEmpty,
      '',
      'application/json',
      ociIndex.toUpperCase(),
      `${ociManifest};charset=utf-8`,
      'application/vnd.oci.image.manifest.v2+json',
    ]
    others.push(
      'application/vnd.buildkit.cacheconfig.v0',
      'application/vnd.oci.image.layer.v1.tar+gzip',
      'application/vnd.oci.artifact.manifest.v1+json',
    )
    for (const mediaType of others)
      assert.deepEqual([isManifestMediaType(mediaType), isIndexMediaType(mediaType)], [false, false], mediaType)
  })

  test("Docker's foreign layers and OCI's non-distributable layers may be absent", () => {
    const oci = ['tar', 'tar+gzip', 'tar+zstd'].map((suffix) => `application/vnd.oci.image.layer.nondistributable.v1.${suffix}`)
    const docker = ['tar', 'tar.gzip'].map((suffix) => `application/vnd.docker.image.rootfs.foreign.diff.${suffix}`)
    for (const mediaType of [...oci, ...docker]) assert.ok(isNonDistributable(mediaType), mediaType)
    const ordinary = ['application/vnd.oci.image.layer.v1.tar+gzip', 'application/vnd.docker.image.rootfs.diff.tar.gzip', '', 'constructor']
    for (const mediaType of ordinary) assert.ok(!isNonDistributable(mediaType), mediaType)
  })

  test('schema 1 is known in both its forms', () => {
    assert.ok(isSchema1MediaType('application/vnd.docker.distribution.manifest.v1+json'))
    assert.ok(isSchema1MediaType('application/vnd.docker.distribution.manifest.v1+prettyjws'))
    assert.ok(!isSchema1MediaType(dockerManifest))
  })

  test('RFC 6838 says what is well-formed', () => {
    const good = [ociManifest, 'a/b', 'application/vnd.example+type', 'x-a/1!#$&^_.+-', `${'a'.repeat(127)}/${'b'.repeat(127)}`]
    for (const mediaType of good) assert.ok(isWellFormedMediaType(mediaType), mediaType)
    const bad = [
      '',
      '/',
      'a',
      'a/',
      '/b',
      'a/b/c',
      'a b/c',
      'a/b ',
      'a/b;c=d',
      'a/b\n',
      'a/b\r\nX: y',
      '+a/b',
      'a/.b',
      'é/b',
      `${'a'.repeat(128)}/b`,
      'a/*',
      '"a"/b',
    ]
    for (const mediaType of bad) assert.ok(!isWellFormedMediaType(mediaType), mediaType)
  })
})
