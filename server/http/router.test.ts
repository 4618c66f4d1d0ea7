import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RegistryError } from '#oci/errors.ts'
import { parseRoute } from './router.ts'

const hex = 'a'.repeat(64)
const digest = `sha256:${hex}`
const sha512 = `sha512:${'b'.repeat(128)}`

function kindOf(path: string, prefix = '/'): string | undefined {
  return parseRoute(path, prefix)?.kind
}

function codeOf(path: string): string {
  try {
    return parseRoute(path, '/') === undefined ? 'NOT_FOUND' : 'found'
  } catch (error) {
    assert.ok(error instanceof RegistryError)
    return error.code
  }
}

test('the base is found with and without its slash', () => {
  assert.deepEqual(parseRoute('/v2/', '/'), { kind: 'base' })
  assert.deepEqual(parseRoute('/v2', '/'), { kind: 'base' })
  for (const path of ['/', '/v1/', '/v2x', '/v22/', '/V2/', '/v2%2F', '//v2/', '/v2//']) assert.notEqual(codeOf(path), 'found', path)
})

test('every resource is found behind names of any depth', () => {
  for (const repository of ['a', 'a/b', 'a/b/c/d/e', 'x__y/z-w', 'a.b_c--d/e']) {
    const base = `/v2/${repository}`
    assert.deepEqual(parseRoute(`${base}/tags/list`, '/'), { kind: 'tags', repository })
    assert.deepEqual(parseRoute(`${base}/blobs/${digest}`, '/'), { kind: 'blob', repository, digest })
    assert.deepEqual(parseRoute(`${base}/blobs/${sha512}`, '/'), { kind: 'blob', repository, digest: sha512 })
    assert.deepEqual(parseRoute(`${base}/blobs/uploads/`, '/'), { kind: 'uploads', repository })
    assert.deepEqual(parseRoute(`${base}/blobs/uploads`, '/'), { kind: 'uploads', repository })
    assert.deepEqual(parseRoute(`${base}/blobs/uploads/x-1_Y`, '/'), { kind: 'upload', repository, uploadId: 'x-1_Y' })
    assert.deepEqual(parseRoute(`${base}/manifests/V1.0-x`, '/'), {
      kind: 'manifest',
      repository,
      reference: { kind: 'tag', tag: 'V1.0-x' },
    })
    assert.deepEqual(parseRoute(`${base}/manifests/${digest}`, '/'), {
      kind: 'manifest',
      repository,
      reference: { kind: 'digest', digest },
    })
    assert.deepEqual(parseRoute(`${base}/referrers/${digest}`, '/'), { kind: 'referrers', repository, subject: digest })
    assert.deepEqual(parseRoute(`${base}/`, '/'), { kind: 'repository', repository })
    assert.deepEqual(parseRoute(base, '/'), { kind: 'repository', repository })
  }
  assert.deepEqual(parseRoute('/v2/_catalog', '/'), { kind: 'catalog' })
})

test('a repository may be called like a resource', () => {
  assert.deepEqual(parseRoute('/v2/a/blobs/manifests/v1', '/'), {
    kind: 'manifest',
    repository: 'a/blobs',
    reference: { kind: 'tag', tag: 'v1' },
  })
  assert.deepEqual(parseRoute('/v2/manifests/tags/list', '/'), { kind: 'tags', repository: 'manifests' })
  assert.deepEqual(parseRoute(`/v2/a/blobs/uploads/manifests/v1`, '/'), {
    kind: 'manifest',
    repository: 'a/blobs/uploads',
    reference: { kind: 'tag', tag: 'v1' },
  })
  assert.deepEqual(parseRoute('/v2/tags/list/tags/list', '/'), { kind: 'tags', repository: 'tags/list' })
  assert.deepEqual(parseRoute('/v2/v2/manifests/v2', '/'), { kind: 'manifest', repository: 'v2', reference: { kind: 'tag', tag: 'v2' } })
})

test('a prefix is a part of every path', () => {
  assert.equal(kindOf('/reg/v2/', '/reg/'), 'base')
  assert.equal(kindOf('/reg/v2/a/tags/list', '/reg/'), 'tags')
  assert.equal(kindOf('/v2/', '/reg/'), undefined)
  assert.equal(kindOf('/regv2/', '/reg/'), undefined)
})

test('the colon of a digest may be escaped, as some clients do, and nothing else', () => {
  assert.equal(kindOf(`/v2/a/blobs/sha256%3A${hex}`), 'blob')
  assert.equal(kindOf(`/v2/a/manifests/sha256%3a${hex}`), 'manifest')
  assert.equal(codeOf(`/v2/a/blobs/sha256%253A${hex}`), 'DIGEST_INVALID')
  assert.equal(codeOf(`/v2/a/blobs/sha256%3A%61${hex.slice(1)}`), 'DIGEST_INVALID')
  assert.equal(codeOf('/v2/a%2Fb/tags/list'), 'NAME_INVALID')
  assert.equal(codeOf('/v2/a/manifests/v%31'), 'TAG_INVALID')
})

test('names that break the grammar are refused by name', () => {
  const names = [
    'A',
    'aB/c',
    'a//b',
    '/a',
    '-a',
    'a-',
    'a..b',
    'a___b',
    'a/.b',
    'a_/b',
    'ä',
    'a b',
    'a:b',
    'a@b',
    '..',
    '.',
    '../..',
    'a/../b',
    '%2e%2e',
    'a\\b',
    'a%00',
  ]
  for (const name of [...names, 'a'.repeat(256), 'a/'.repeat(128)]) {
    assert.equal(codeOf(`/v2/${name}/tags/list`), 'NAME_INVALID', name)
    assert.equal(codeOf(`/v2/${name}/manifests/v1`), 'NAME_INVALID', name)
    assert.equal(codeOf(`/v2/${name}/blobs/${digest}`), 'NAME_INVALID', name)
    assert.equal(codeOf(`/v2/${name}/blobs/uploads/`), 'NAME_INVALID', name)
    assert.equal(codeOf(`/v2/${name}/blobs/uploads/1`), 'NAME_INVALID', name)
    assert.equal(codeOf(`/v2/${name}/referrers/${digest}`), 'NAME_INVALID', name)
  }
  assert.equal(kindOf(`/v2/${'a'.repeat(255)}/tags/list`), 'tags')
})

test('digests that break the grammar are refused', () => {
  const upper = digest.toUpperCase()
  for (const bad of [
    upper,
    'sha256:',
    'sha256:aa',
    `sha256:${hex}a`,
    `sha256:${'g'.repeat(64)}`,
    `md5:${'a'.repeat(32)}`,
    `blake3:${hex}`,
    `sha512:${hex}`,
    `sha256:${hex}%0a`,
    'baddigest',
    '..',
  ])
    assert.equal(codeOf(`/v2/a/blobs/${bad}`), 'DIGEST_INVALID', bad)
  assert.equal(codeOf('/v2/a/blobs/sha256:../../x'), 'NOT_FOUND')
  for (const bad of [upper, 'sha256:baddigeststring', `blake3:${hex}`, ':', 'a:b'])
    assert.equal(codeOf(`/v2/a/manifests/${bad}`), 'DIGEST_INVALID', bad)
})

test('tags that break the grammar are refused', () => {
  for (const bad of ['.a', '-a', 'a%20b', 'a+b', 'a~', 'ä', '%2e%2e', '..', 'a'.repeat(129)])
    assert.equal(codeOf(`/v2/a/manifests/${bad}`), 'TAG_INVALID', bad)
  assert.equal(kindOf(`/v2/a/manifests/${'a'.repeat(128)}`), 'manifest')
})

test('an upload id that nobody gave out is unknown', () => {
  for (const bad of ['..', '%2e%2e', 'a.b', 'a%2Fb', 'a\\b', 'x'.repeat(129), 'a b'])
    assert.equal(codeOf(`/v2/a/blobs/uploads/${bad}`), 'BLOB_UPLOAD_UNKNOWN', bad)
})

test('what is no resource is not found', () => {
  for (const path of [
    '/v2/A',
    '/v2/a//',
    '/v2/a/tags',
    '/v2/a/tags/',
    '/v2/a/tags/all',
    '/v2/a/tags/list/',
    '/v2/a/manifests',
    '/v2/a/manifests/',
    '/v2/a/manifests/v1/',
    '/v2/a/blobs',
    '/v2/a/blobs/',
    '/v2/a/blobs/uploads/0a-1b/',
    '/v2/a/referrers/',
    '/v2/blobs/uploads/',
    '/v2/blobs/uploads/0a-1b/',
    '/v2/tags',
    '/v2/tags/list',
    '/v2/manifests/v1',
    '/v2/_catalog/x',
    '/etc/passwd',
    '/%2F%2F..%2Fetc',
  ])
    assert.equal(codeOf(path), 'NOT_FOUND', path)
})

test('no path of any kind does more than find a route or throw a registry error', () => {
  const part = fc.oneof(
    fc.constantFrom(
      'v2',
      'blobs',
      'uploads',
      'manifests',
      'tags',
      'list',
      'referrers',
      '_catalog',
      '..',
      '.',
      '',
      '%2e',
      '%2F',
      '\\',
      '\0',
      digest,
      'a',
    ),
    fc.string(),
  )
  fc.assert(
    fc.property(fc.array(part, { maxLength: 10 }), (parts) => {
      codeOf(`/${parts.join('/')}`)
      codeOf(`/v2/${parts.join('/')}`)
    }),
    { numRuns: 500 },
  )
})

test('a path of 60 KB is judged in linear time', () => {
  const startedAt = performance.now()
  for (const piece of ['a-', 'a/', '%3A', 'sha256:', 'blobs/uploads/', '..', '__']) {
    const long = piece.repeat(60_000 / piece.length)
    for (const path of [`/v2/${long}`, `/v2/${long}/tags/list`, `/v2/a/manifests/${long}`, `/v2/a/blobs/${long}`]) codeOf(path)
  }
  assert.ok(performance.now() - startedAt < 500)
})
