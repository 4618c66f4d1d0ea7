import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import type { S3Config } from './config.ts'
import { ConfigPlace } from './test-place.ts'

let place: ConfigPlace
before(async () => {
  place = await ConfigPlace.make()
})
after(() => place[Symbol.asyncDispose]())

async function load(s3: string, more = '') {
  return place.load(`version: 0.1\nauth: accounts\ndatabase: {file: /x/berth.db}\nstorage: {s3: {${s3}}${more}}\n`)
}

async function s3Of(text: string, more = ''): Promise<S3Config> {
  const { config, problems } = await load(text, more)
  assert.deepEqual(problems, [])
  assert.ok(config?.storage.s3 !== undefined)
  return config.storage.s3
}

suite('storage.s3', () => {
  test('reads a file of registry:2 for Amazon', async () => {
    const { config, warnings } = await load(
      'accesskey: AK, secretkey: hunter2, region: eu-central-1, bucket: images, encrypt: true, keyid: k, secure: true, v4auth: true, chunksize: 5242880, multipartcopychunksize: 33554432, rootdirectory: /a/b/, storageclass: STANDARD_IA, loglevel: debug',
    )
    const s3 = config?.storage.s3
    assert.equal(s3?.endpoint, 'https://s3.eu-central-1.amazonaws.com')
    assert.deepEqual(
      [s3.prefix, s3.partBytes, s3.storageClass, s3.encryption, s3.isPathStyle],
      ['a/b/', 5_242_880, 'STANDARD_IA', { keyId: 'k' }, false],
    )
    assert.deepEqual(s3.credentials, { accessKeyId: 'AK', secretAccessKey: 'hunter2', sessionToken: undefined })
    assert.deepEqual(
      warnings.map((warning) => warning.split(':')[0]),
      ['storage.s3.multipartcopychunksize', 'storage.s3.loglevel'],
    )
    assert.doesNotMatch(JSON.stringify(config?.effective), /hunter2/)
    assert.equal(config?.storage.rootDirectory, undefined)
  })

  test('an endpoint of one’s own is asked by path and needs no region; one without a scheme is HTTPS unless secure says no', async () => {
    assert.deepEqual(
      (({ endpoint, isPathStyle, region }) => ({ endpoint, isPathStyle, region }))(
        await s3Of('bucket: images, regionendpoint: "rgw:8080", secure: false'),
      ),
      { endpoint: 'http://rgw:8080', isPathStyle: true, region: 'us-east-1' },
    )
    const public_ = await s3Of('bucket: images, regionendpoint: "http://rgw:8080", redirectendpoint: s3.example.com, forcepathstyle: false')
    assert.deepEqual([public_.endpoint, public_.publicEndpoint, public_.isPathStyle], ['http://rgw:8080', 'https://s3.example.com', false])
  })

  test('Amazon’s other endpoints have their names', async () => {
    assert.equal((await s3Of('bucket: images, region: cn-north-1')).endpoint, 'https://s3.cn-north-1.amazonaws.com.cn')
    assert.equal(
      (await s3Of('bucket: images, region: us-east-1, usedualstack: true, usefipsendpoint: true')).endpoint,
      'https://s3-fips.dualstack.us-east-1.amazonaws.com',
    )
    assert.equal((await s3Of('bucket: images, region: us-east-1, accelerate: true')).endpoint, 'https://s3-accelerate.amazonaws.com')
    assert.equal((await s3Of('bucket: a.b.c, region: us-east-1')).isPathStyle, true)
  })

  test('says what is missing or does not fit, and never a secret', async () => {
    const faults: [string, RegExp][] = [
      ['region: eu-central-1', /^storage\.s3\.bucket: expected the name of the bucket/],
      ['bucket: images', /^storage\.s3\.region: expected a region/],
      ['bucket: images, region: r, accesskey: a', /^storage\.s3\.secretkey: expected accesskey and secretkey/],
      ['bucket: images, region: r, secretkey: hunter2', /^storage\.s3\.accesskey: expected accesskey and secretkey/],
      ['bucket: images, region: r, chunksize: 1048576', /^storage\.s3\.chunksize: expected a size .* of at least 5/],
      ['bucket: images, regionendpoint: "ftp://x"', /^storage\.s3\.regionendpoint: expected a URL/],
      ['bucket: "../x", region: r', /^storage\.s3\.bucket: expected the name of a bucket/],
    ]
    for (const [text, expected] of faults) {
      const { problems } = await load(text)
      assert.match(problems[0] ?? '', expected, text)
      assert.doesNotMatch(problems.join(), /hunter2/)
    }
    const { problems } = await place.load('version: 0.1\nauth: accounts\nstorage: {s3: {bucket: images, region: r}}\n')
    assert.match(problems.join(), /database: expected a place for the database/)
    assert.match(
      problems.join(),
      /database\.file, .*\(database: \{file: \/var\/lib\/berth\/berth\.db\}\), or database\.url, .*postgres:\/\//,
    )
  })

  test('redirects and a CDN are read, and what a CDN needs is asked for', async () => {
    const { config, problems } = await load(
      'bucket: images, region: r',
      ", redirect: {except: [10.0.0.0/8], useragents: ['^old/'], lifetime: 1h}, cdn: {url: 'https://cdn.example.com/r/', key: hunter2-hunter2-}",
    )
    assert.deepEqual(problems, [])
    const { cdn, ...redirects } = config?.storage.redirects ?? {}
    assert.deepEqual(redirects, { disabled: false, exceptNetworks: ['10.0.0.0/8'], exceptUserAgents: ['^old/'], lifetimeMs: 3_600_000 })
    assert.deepEqual([cdn?.url, cdn?.kind], ['https://cdn.example.com/r', 'hmac'])
    const incomplete = await load('bucket: images, region: r', ', cdn: {url: "https://cdn", kind: cloudfront}')
    assert.match(incomplete.problems.join('\n'), /^storage\.cdn\.keyfile: .*\nstorage\.cdn\.keyid: /)
    for (const key of ["''", 'fifteen-bytes..'])
      assert.match(
        (await load('bucket: images, region: r', `, cdn: {url: "https://cdn", key: ${key}}`)).problems.join('\n'),
        /^storage\.cdn\.key: .*16 bytes or more/,
      )
    const both = await load('bucket: images, region: r', ', cdn: {url: "https://cdn", key: sixteen-bytes..., keyfile: /x/cdn.key}')
    assert.match(both.problems.join('\n'), /^storage\.cdn\.key: .*a key or a keyfile, not both/)
    const wrong = await load('bucket: images, region: r', ', redirect: {except: [everywhere], lifetime: 9d}')
    assert.equal(wrong.problems.length, 2)
  })
})
