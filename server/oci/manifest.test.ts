import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { digestOf } from './digest.ts'
import { RegistryError } from './errors.ts'
import { annotationsMax, descriptorsMax, parseManifest, type Manifest } from './manifest.ts'
import {
  dockerManifest,
  dockerManifestList,
  isManifestMediaType,
  isNonDistributable,
  ociEmpty,
  ociIndex,
  ociManifest,
} from './media-types.ts'

const layerType = 'application/vnd.oci.image.layer.v1.tar+gzip'
const configType = 'application/vnd.oci.image.config.v1+json'
const custom = 'application/vnd.example.thing.v7+json'

const digest = digestOf(Buffer.from('content'))
const digest512 = digestOf(Buffer.from('content'), 'sha512')
const layer = { mediaType: layerType, digest, size: 7 }
const config = { mediaType: configType, digest, size: 3 }
const child = { mediaType: ociManifest, digest, size: 500 }

const imageManifest = { schemaVersion: 2, mediaType: ociManifest, config, layers: [layer] }
const imageIndex = { schemaVersion: 2, mediaType: ociIndex, manifests: [child] }

const encode = (body: unknown) => Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
const parse = (body: unknown, contentType = '') => parseManifest(encode(body), contentType)

/** The code and the detail of the refusal, as `CODE: detail`. */
function refusalOf(body: unknown, contentType = ''): string {
  try {
    parse(body, contentType)
  } catch (error) {
    assert.ok(error instanceof RegistryError)
    assert.equal(error.status, 400)
    return `${error.code}: ${String(error.detail)}`
  }
  return 'accepted'
}

suite('parseManifest takes', () => {
  test('an OCI image manifest', () => {
    assert.deepEqual(parse(imageManifest, ociManifest), {
      kind: 'manifest',
      mediaType: ociManifest,
      artifactType: configType,
      subject: undefined,
      annotations: {},
      config,
      layers: [layer],
      children: [],
    } satisfies Manifest)
  })

  test('a Docker schema 2 manifest and its foreign layers', () => {
    const foreign = {
      mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
      size: 9,
      digest,
      urls: ['https://example.com/layer'],
    }
    const body = {
      schemaVersion: 2,
      mediaType: dockerManifest,
      config: { ...config, mediaType: 'application/vnd.docker.container.image.v1+json' },
      layers: [foreign],
    }
    const manifest = parse(body, dockerManifest)
    assert.equal(manifest.kind, 'manifest')
    assert.equal(manifest.artifactType, 'application/vnd.docker.container.image.v1+json')
    assert.deepEqual(manifest.layers, [foreign])
    assert.ok(isNonDistributable(manifest.layers[0]?.mediaType ?? ''))
  })

  test('a Docker manifest list with its platforms', () => {
    const platform = { architecture: 'arm', os: 'linux', variant: 'v7', 'os.features': ['x'] }
    const manifest = parse(
      { schemaVersion: 2, mediaType: dockerManifestList, manifests: [{ ...child, mediaType: dockerManifest, platform }] },
      dockerManifestList,
    )
    assert.equal(manifest.kind, 'index')
    assert.deepEqual(manifest.children[0]?.platform, { architecture: 'arm', os: 'linux', variant: 'v7' })
    assert.deepEqual(manifest.layers, [])
  })

  test('an index within an index, with subject, annotations and artifactType', () => {
    const body = {
      ...imageIndex,
      manifests: [{ ...child, mediaType: ociIndex, artifactType: 'a/b' }],
      artifactType: custom,
      subject: child,
      annotations: { a: 'b' },
    }
    const manifest = parse(body, ociIndex)
    assert.deepEqual([manifest.artifactType, manifest.subject, manifest.annotations], [custom, child, { a: 'b' }])
    assert.equal(manifest.children[0]?.artifactType, 'a/b')
  })

  test('an index without artifactType, which then has none', () => {
    assert.equal(parse(imageIndex, ociIndex).artifactType, undefined)
    assert.equal(parse({ ...imageIndex, artifactType: '' }, ociIndex).artifactType, undefined)
  })

  test('an artifact with the empty descriptor, and resolves its artifactType', () => {
    const empty = { mediaType: ociEmpty, digest: digestOf(Buffer.from('{}')), size: 2, data: 'e30=' }
    const body = { ...imageManifest, artifactType: custom, config: empty, layers: [empty], subject: child }
    assert.equal(parse(body, ociManifest).artifactType, custom)
    assert.equal(parse({ ...body, artifactType: undefined }, ociManifest).artifactType, ociEmpty)
    assert.equal(parse({ ...body, artifactType: '' }, ociManifest).artifactType, ociEmpty)
  })

  test("BuildKit's cache, an index whose children are blobs", () => {
    const cacheConfig = { mediaType: 'application/vnd.buildkit.cacheconfig.v0', digest, size: 9 }
    const manifest = parse(
      { ...imageIndex, manifests: [{ ...layer, annotations: { 'buildkit/createdat': '2026' } }, cacheConfig] },
      ociIndex,
    )
    assert.equal(manifest.kind, 'index')
    assert.deepEqual(
      manifest.children.map((entry) => isManifestMediaType(entry.mediaType)),
      [false, false],
    )
  })

  test('an attestation manifest beside its image', () => {
    const annotations = { 'vnd.docker.reference.type': 'attestation-manifest', 'vnd.docker.reference.digest': digest }
    const attestation = { ...child, platform: { architecture: 'unknown', os: 'unknown' }, annotations }
    assert.deepEqual(parse({ ...imageIndex, manifests: [child, attestation] }, ociIndex).children, [child, attestation])
  })

  test('nothing in it: no layers, no children', () => {
    assert.deepEqual(parse({ ...imageManifest, layers: [] }, ociManifest).layers, [])
    assert.deepEqual(parse({ ...imageIndex, manifests: [] }, ociIndex).children, [])
  })

  test('null for absent, as Go writes it', () => {
    assert.deepEqual(
      parse({ ...imageManifest, layers: null, subject: null, annotations: null, artifactType: null }, ociManifest).layers,
      [],
    )
    assert.deepEqual(parse({ ...imageIndex, manifests: null }, ociIndex).children, [])
    const bare = { ...child, annotations: null, urls: null, platform: null, artifactType: null }
    assert.deepEqual(parse({ ...imageIndex, manifests: [bare] }, ociIndex).children, [child])
  })

  test('sha512 digests beside sha256 ones', () => {
    assert.equal(parse({ ...imageManifest, layers: [layer, { ...layer, digest: digest512 }] }).layers[1]?.digest, digest512)
  })

  test('the same layer twice, and an empty one', () => {
    assert.equal(parse({ ...imageManifest, layers: [layer, layer, { ...layer, size: 0 }] }).layers.length, 3)
  })

  test('fields that it does not know, without a word', () => {
    const body = {
      ...imageManifest,
      custom: [{ deep: null }],
      config: { ...config, more: 1 },
      layers: [{ ...layer, data: 'e30=' }],
      blobs: 'of no meaning here',
    }
    assert.deepEqual(parse(body, ociManifest), parse(imageManifest, ociManifest))
  })

  test('custom types, by their fields', () => {
    assert.equal(parse({ manifests: [layer] }, custom).kind, 'index')
    assert.deepEqual(parse({ config, layers: [layer] }, custom).artifactType, configType)
    assert.deepEqual(parse({ mediaType: custom, blobs: [layer], artifactType: 'x/y' }).layers, [layer])
    assert.deepEqual(parse({ layers: [layer], blobs: [child] }, custom).layers, [layer, child])
    const bare = parse({ subject: child, schemaVersion: 1, fsLayers: 'mine' }, custom)
    assert.deepEqual([bare.kind, bare.subject, bare.config, bare.layers, bare.mediaType], ['manifest', child, undefined, [], custom])
    assert.equal(parse({}, custom).kind, 'manifest')
    assert.deepEqual(parse({ Layers: 1 }, custom).layers, [])
  })

  test('no Content-Type: the mediaType of the document counts, else its fields', () => {
    assert.equal(parse(imageIndex).mediaType, ociIndex)
    assert.equal(parse({ ...imageManifest, mediaType: undefined }).mediaType, ociManifest)
    assert.equal(parse({ ...imageIndex, mediaType: undefined }).mediaType, ociIndex)
  })

  test('no mediaType in the document: the Content-Type counts, as Helm pushes', () => {
    assert.equal(parse({ ...imageManifest, mediaType: undefined }, ociManifest).mediaType, ociManifest)
    assert.equal(parse({ ...imageManifest, mediaType: undefined }, dockerManifest).mediaType, dockerManifest)
  })

  test('sizes up to 2^53 - 1, and minus zero as zero', () => {
    const sizes = parse(
      `{"schemaVersion":2,"mediaType":"${ociIndex}","manifests":[${[Number.MAX_SAFE_INTEGER, '-0', '1e3'].map((size) => `{"mediaType":"a/b","digest":"${digest}","size":${size}}`).join()}]}`,
    )
    assert.deepEqual(
      sizes.children.map((entry) => entry.size),
      [Number.MAX_SAFE_INTEGER, 0, 1000],
    )
    assert.ok(Object.is(sizes.children[1]?.size, 0))
  })

  test('a platform that names nothing', () => {
    assert.deepEqual(parse({ ...imageIndex, manifests: [{ ...child, platform: {} }] }).children[0]?.platform, { os: '', architecture: '' })
  })

  test('annotations of any name, which survive a structured clone', () => {
    const text = `{"schemaVersion":2,"mediaType":"${ociIndex}","manifests":[],"annotations":{"__proto__":"x","constructor":"y","":"z"}}`
    const manifest = parse(text)
    assert.deepEqual(Object.entries(manifest.annotations), [
      ['__proto__', 'x'],
      ['constructor', 'y'],
      ['', 'z'],
    ])
    assert.deepEqual(structuredClone(manifest), manifest)
    assert.equal(Object.getPrototypeOf(manifest.annotations), Object.prototype)
  })

  test('the large manifest of the conformance suite: 390 annotations of 10,000 bytes', () => {
    const annotations = Object.fromEntries(Array.from({ length: 390 }, (_, index) => [`org.example.${index}`, 'x'.repeat(10_000)]))
    assert.deepEqual(parse({ ...imageManifest, annotations }, ociManifest).annotations, annotations)
  })

  test('as many layers and children as are allowed', () => {
    assert.equal(parse({ ...imageManifest, layers: Array.from({ length: descriptorsMax }, () => layer) }).layers.length, descriptorsMax)
    assert.equal(parse({ ...imageIndex, manifests: Array.from({ length: descriptorsMax }, () => child) }).children.length, descriptorsMax)
  })
})

suite('parseManifest refuses', () => {
  const refuses = (what: string, body: unknown, expected: RegExp, contentType = ''): void => {
    test(what, () => assert.match(refusalOf(body, contentType), expected))
  }

  suite('what is not a JSON object', () => {
    for (const text of ['[]', 'null', '"x"', '1', 'true']) refuses(text, text, /^MANIFEST_INVALID: the document is not an object/, custom)
    refuses('an empty body', '', /^MANIFEST_INVALID: the document is not JSON/, ociManifest)
    refuses('half a document', JSON.stringify(imageManifest).slice(0, -1), /^MANIFEST_INVALID: the document is not JSON/)
    refuses('a tar file', `config.json${'\0'.repeat(500)}`, /^MANIFEST_INVALID: the document is not JSON/, custom)
    refuses('a byte order mark', `\ufeff${JSON.stringify(imageManifest)}`, /byte order mark/)
    refuses('a duplicate name', JSON.stringify(imageManifest).replace('"layers"', '"config":{},"layers"'), /the name "config" occurs twice/)
    refuses(
      'a duplicate name in a layer',
      JSON.stringify(imageManifest).replace('"size":7', '"size":7,"\\u0073ize":8'),
      /the name "size" occurs twice/,
    )
    refuses('an unknown field that nests too deeply', `{"x":${'['.repeat(200_000)}`, /nests deeper/, custom)
  })

  suite('what two readers could read differently', () => {
    refuses('layers beside manifests', { ...imageManifest, manifests: [child] }, /ambiguous: a manifest cannot have manifests/)
    refuses('empty manifests beside layers', { ...imageManifest, manifests: [] }, /ambiguous/)
    refuses('null manifests beside layers', { ...imageManifest, manifests: null }, /ambiguous/)
    refuses('an index with layers', { ...imageIndex, layers: [] }, /ambiguous: an index cannot have layers/)
    refuses('an index with a config', { ...imageIndex, config }, /ambiguous: an index cannot have config/)
    refuses('a Docker list with layers', { ...imageIndex, mediaType: dockerManifestList, layers: [layer] }, /ambiguous/)
    refuses('a custom type with both', { layers: [], manifests: [] }, /ambiguous/, custom)
    refuses('a custom type with blobs and manifests', { blobs: [], manifests: [] }, /ambiguous/, custom)
    refuses('both, without any type', { schemaVersion: 2, config, layers: [], manifests: [] }, /ambiguous/)
    refuses('an index that is sent as a manifest', { schemaVersion: 2, manifests: [child] }, /ambiguous/, ociManifest)
    refuses(
      'a mediaType other than the Content-Type',
      imageManifest,
      /mediaType is ".*image.manifest.*but the Content-Type is ".*docker/,
      dockerManifest,
    )
    refuses('a custom mediaType other than the Content-Type', { mediaType: custom }, /but the Content-Type is/, 'application/json')
    for (const name of ['Layers', 'LAYERS', 'layer\u017f', 'Manifests', 'mediatype', 'SchemaVersion', 'Config', 'Subject']) {
      refuses(
        `${name} in a well-known type`,
        { ...imageManifest, [name]: [] },
        /^MANIFEST_INVALID: the document has ".*" where ".*" is meant/,
      )
    }
    refuses(
      'Digest in a layer',
      { ...imageManifest, layers: [{ ...layer, Digest: digest512 }] },
      /layers\[0\] has "Digest" where "digest" is meant/,
    )
  })

  suite('schema 1', () => {
    const signed = { schemaVersion: 1, name: 'a', tag: 'b', fsLayers: [{ blobSum: digest }], history: [], signatures: [] }
    const expected = /^MANIFEST_UNVERIFIED: schema 1 manifests are not accepted: push again/
    refuses('by its signed type', signed, expected, 'application/vnd.docker.distribution.manifest.v1+prettyjws')
    refuses('by its plain type, even when it is not JSON', 'x', expected, 'application/vnd.docker.distribution.manifest.v1+json')
    refuses('by the mediaType within', { mediaType: 'application/vnd.docker.distribution.manifest.v1+json' }, expected)
    refuses('without a type', signed, expected)
    refuses('as application/json', signed, expected, 'application/json')
    refuses('under the type of a newer one', signed, expected, dockerManifest)
    refuses('by fsLayers alone', { ...imageManifest, fsLayers: [] }, expected, ociManifest)
    test('with a message that tells what to do', () => {
      assert.throws(
        () => parse(signed),
        (error: Error) => error.message.includes('push again with a client'),
      )
    })
  })

  suite('a media type that cannot be served', () => {
    refuses('none at all', { artifactType: custom }, /states no media type/)
    refuses('one that is no text', { ...imageManifest, mediaType: 7 }, /mediaType is not a string/)
    refuses('one with a line break', { mediaType: 'a/b\r\nSet-Cookie: x' }, /mediaType holds control characters/)
    refuses('one without a subtype', { mediaType: 'text' }, /"text" is not of the form type\/subtype/)
    refuses('one with parameters', { mediaType: 'text/plain; charset=utf-8' }, /not of the form/)
    refuses('one that is too long', { mediaType: `a/${'b'.repeat(300)}` }, /longer than 255/)
    refuses('a malformed Content-Type', {}, /not of the form/, 'text')
  })

  suite('what a well-known type requires', () => {
    for (const mediaType of [ociManifest, dockerManifest]) {
      refuses(`${mediaType} without config`, { schemaVersion: 2, layers: [] }, /config is missing/, mediaType)
      refuses(`${mediaType} with config null`, { schemaVersion: 2, config: null, layers: [] }, /config is missing/, mediaType)
    }
    for (const mediaType of [ociIndex, dockerManifestList])
      refuses(`${mediaType} without manifests`, { schemaVersion: 2 }, /manifests is missing/, mediaType)
    for (const schemaVersion of [undefined, null, 0, 3, '2', 2.5, [2]]) {
      refuses(`schemaVersion ${JSON.stringify(schemaVersion)}`, { ...imageManifest, schemaVersion }, /schemaVersion is not 2/)
    }
  })

  suite('descriptors that are not', () => {
    const inLayer = (fields: object) => ({ ...imageManifest, layers: [layer, { ...layer, ...fields }] })
    const fields: [values: unknown[], bodyOf: (value: unknown) => object, expected: RegExp][] = [
      [[undefined, null, ''], (mediaType) => inLayer({ mediaType }), /layers\[1\] has no mediaType/],
      [[1, {}, []], (mediaType) => inLayer({ mediaType }), /layers\[1\]\.mediaType is not a string/],
      [[undefined, null], (value) => inLayer({ digest: value }), /layers\[1\] has no digest/],
      [[1, {}, []], (value) => inLayer({ digest: value }), /layers\[1\]\.digest is not a string/],
      [[undefined, null], (size) => inLayer({ size }), /layers\[1\] has no size/],
      [['7', true, [7]], (size) => inLayer({ size }), /layers\[1\]\.size is not a number/],
      [[-1, 1.5, 2 ** 53, 1e300], (size) => inLayer({ size }), /layers\[1\]\.size is not a whole number/],
      [['x', {}, [1], ['x', null]], (urls) => inLayer({ urls }), /layers\[1\]\.urls is not an array of strings/],
      [['x', [], 1], (annotations) => inLayer({ annotations }), /layers\[1\]\.annotations is not an object/],
      [[1, null, {}], (c) => inLayer({ annotations: { a: 'b', c } }), /layers\[1\]\.annotations: the value of "c" is not a string/],
      [['linux', []], (platform) => inLayer({ platform }), /layers\[1\]\.platform is not an object/],
      [[1, []], (os) => inLayer({ platform: { os } }), /platform\.os is not a string/],
      [[1, []], (variant) => inLayer({ platform: { variant } }), /platform\.variant is not a string/],
      [[1, []], (artifactType) => inLayer({ artifactType }), /artifactType is not a string/],
      [['x', 1, [], true], (value) => ({ ...imageManifest, config: value }), /config is not an object/],
      [['x', null, [], 1], (value) => ({ ...imageManifest, layers: [value] }), /layers\[0\] is not an object/],
      [['x', {}, 1, false], (layers) => ({ ...imageManifest, layers }), /layers is not an array/],
      [['x', {}, 1], (manifests) => ({ ...imageIndex, manifests }), /manifests is not an array/],
      [['x', [], 1], (annotations) => ({ ...imageManifest, annotations }), /annotations is not an object/],
      [['x', digest, [], 1], (subject) => ({ ...imageManifest, subject }), /subject is not an object/],
    ]
    for (const [values, bodyOf, expected] of fields) {
      for (const value of values) refuses(`${JSON.stringify(value)}: ${expected.source}`, bodyOf(value), expected)
    }
    const digests: [what: string, text: string, expected: RegExp][] = [
      ['in upper case', digest.toUpperCase().replace('SHA', 'sha'), /hex digits must be in lower case/],
      ['that is short', digest.slice(0, 30), /wrong number of hex digits/],
      ['with other characters', `${digest.slice(0, -3)}/..`, /wrong number of hex digits, or something else/],
      ['of md5', 'md5:d41d8cd98f00b204e9800998ecf8427e', /"md5:d41d.*": the algorithm is neither sha256 nor sha512/],
      ['of hex alone', digest.slice(7), /not of the form algorithm:hex/],
      ['of nothing', '', /not of the form/],
    ]
    for (const [what, text, expected] of digests) refuses(`a digest ${what}`, inLayer({ digest: text }), expected)
    refuses('a size beyond all numbers', JSON.stringify(imageManifest).replace('"size":7', '"size":1e999'), /size is not a whole number/)
    refuses('a child without digest', { ...imageIndex, manifests: [{ ...child, digest: undefined }] }, /manifests\[0\] has no digest/)
    for (const name of ['mediaType', 'digest', 'size']) {
      const subject = { ...child, [name]: undefined }
      refuses(`a subject without ${name}`, { ...imageManifest, subject }, new RegExp(`subject has no ${name}`))
    }
    refuses('a bad layer in a custom type', { blobs: [{ digest }] }, /blobs\[0\] has no mediaType/, custom)
  })

  suite('too much', () => {
    refuses('layers', { ...imageManifest, layers: Array.from({ length: descriptorsMax + 1 }, () => 0) }, /layers has 10001 entries/)
    refuses('children', { ...imageIndex, manifests: Array.from({ length: descriptorsMax + 1 }, () => 0) }, /manifests has 10001 entries/)
    const annotations = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`a${index}`, '']))
    const annotated = Array.from({ length: annotationsMax / 100 }, () => ({ ...layer, annotations }))
    refuses('annotations', { ...imageManifest, annotations: { one: 'more' }, layers: annotated }, /30001 annotations/)
    test('and takes just as much as is allowed', () => assert.equal(refusalOf({ ...imageManifest, layers: annotated }), 'accepted'))
  })

  test('reasons stay short, whatever the document holds', () => {
    const long = 'x'.repeat(100_000)
    const bodies = [
      { mediaType: long },
      { ...imageManifest, layers: [{ ...layer, digest: long }] },
      { ...imageManifest, annotations: { [long]: 1 } },
      { [long]: 1 },
    ]
    for (const body of bodies) assert.ok(refusalOf(body, body === bodies[0] ? custom : '').length < 400)
  })

  test('any damage to a manifest with a refusal, never with another error', () => {
    const text = JSON.stringify({ ...imageManifest, subject: child, annotations: { a: 'b' } })
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.nat(12), fc.string({ maxLength: 4 }), (at, count, insert) => {
        refusalOf(text.slice(0, at) + insert + text.slice(at + count))
      }),
      { numRuns: 1000 },
    )
  })

  test('any JSON value with a refusal, or takes it, never fails otherwise', () => {
    const field = fc.constantFrom(
      'schemaVersion',
      'mediaType',
      'config',
      'layers',
      'manifests',
      'blobs',
      'subject',
      'annotations',
      'artifactType',
      'x',
    )
    const value = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom(config, [layer], [child], 2, ociManifest, ociIndex))
    fc.assert(
      fc.property(fc.dictionary(field, value), fc.constantFrom('', custom, ociManifest, ociIndex, dockerManifest), (body, contentType) => {
        const outcome = refusalOf(body, contentType)
        assert.match(outcome, /^(accepted|MANIFEST_INVALID: .+|MANIFEST_UNVERIFIED: .+)$/s)
      }),
      { numRuns: 1000 },
    )
  })
})
