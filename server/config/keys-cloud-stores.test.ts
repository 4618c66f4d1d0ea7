import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { ConfigPlace } from './test-place.ts'

let place: ConfigPlace
before(async () => {
  place = await ConfigPlace.make()
})
after(() => place[Symbol.asyncDispose]())

async function load(storage: string) {
  return place.load(`version: 0.1\nauth: accounts\ndatabase: {file: /x/berth.db}\nstorage: {${storage}}\n`)
}

async function azureOf(text: string) {
  const { config, problems } = await load(`azure: {${text}}`)
  assert.deepEqual(problems, [])
  assert.ok(config?.storage.azure !== undefined)
  return config.storage.azure
}

async function gcsOf(text: string) {
  const { config, problems } = await load(`gcs: {${text}}`)
  assert.deepEqual(problems, [])
  assert.ok(config?.storage.gcs !== undefined)
  return config.storage.gcs
}

async function refuses(driver: string, faults: readonly (readonly [text: string, expected: RegExp])[]): Promise<void> {
  for (const [text, expected] of faults) {
    const { problems } = await load(`${driver}: {${text}}`)
    assert.match(problems.join('\n'), expected, text)
    assert.doesNotMatch(problems.join(), /hunter2/)
  }
}

suite('storage.azure', () => {
  test('reads files of registry:2 and registry:3', async () => {
    const { config, warnings } = await load(
      'azure: {accountname: images, accountkey: aHVudGVyMg==, container: registry, rootdirectory: /a/, realm: core.chinacloudapi.cn, max_retries: 5, retry_delay: 100ms}',
    )
    assert.deepEqual(config?.storage.azure, {
      accountName: 'images',
      container: 'registry',
      endpoint: 'https://images.blob.core.chinacloudapi.cn',
      authority: 'https://login.chinacloudapi.cn',
      credentials: { kind: 'shared_key', accountKey: 'aHVudGVyMg==' },
      prefix: 'a/',
    })
    assert.deepEqual([config.storage.driver, config.storage.rootDirectory], ['azure', undefined])
    assert.deepEqual(
      warnings.map((warning) => warning.split(':')[0]),
      ['storage.azure.max_retries', 'storage.azure.retry_delay'],
    )
    assert.doesNotMatch(JSON.stringify(config.effective), /aHVudGVyMg/)
    const secret = await azureOf(
      'accountname: images, container: registry, credentials: {type: client_secret, clientid: c, tenantid: t, secret: s}',
    )
    assert.deepEqual(secret.credentials, { kind: 'client_secret', clientId: 'c', tenantId: 't', secret: 's' })
    assert.deepEqual(
      [secret.endpoint, secret.authority, secret.prefix],
      ['https://images.blob.core.windows.net', 'https://login.microsoftonline.com', ''],
    )
  })

  test('without a key it is who the environment or the machine says', async () => {
    const { credentials } = await azureOf('accountname: images, container: registry')
    assert.deepEqual(credentials, { kind: 'default_credentials', clientId: undefined })
    const chosen = await azureOf('accountname: images, container: registry, credentials: {type: default_credentials, clientid: c}')
    assert.deepEqual(chosen.credentials, { kind: 'default_credentials', clientId: 'c' })
  })

  test('a connection string names the account, the service and what proves it', async () => {
    const key = await azureOf(
      "container: registry, connection: 'DefaultEndpointsProtocol=https;AccountName=images;AccountKey=aHVudGVyMg==;EndpointSuffix=core.windows.net'",
    )
    assert.deepEqual([key.endpoint, key.accountName], ['https://images.blob.core.windows.net', 'images'])
    assert.deepEqual(key.credentials, { kind: 'shared_key', accountKey: 'aHVudGVyMg==' })
    const sas = await azureOf(
      "container: registry, connection: 'BlobEndpoint=https://images.example.com/;SharedAccessSignature=?sv=1&sp=rwdlc&sig=a%3D'",
    )
    assert.deepEqual([sas.endpoint, sas.credentials], ['https://images.example.com', { kind: 'sas', token: 'sv=1&sp=rwdlc&sig=a%3D' }])
  })

  test('says what is missing or does not fit, and never a secret', async () => {
    await refuses('azure', [
      ['accountname: images', /^storage\.azure\.container: expected the name of the container/],
      ['container: registry', /^storage\.azure\.accountname: expected the name of the storage account/],
      ['accountname: images, container: Images', /^storage\.azure\.container: expected the name of a container/],
      ['accountname: images, container: registry, accountkey: "hunter2!"', /^storage\.azure\.accountkey: expected the key .* Base64/],
      ['accountname: images, container: registry, credentials: {type: shared_key}', /^storage\.azure\.accountkey: expected/],
      ['accountname: images, container: registry, credentials: {type: password}', /^storage\.azure\.credentials\.type: expected/],
      [
        'accountname: images, container: registry, credentials: {type: client_secret, clientid: c, secret: hunter2}',
        /^storage\.azure\.credentials\.tenantid: expected/,
      ],
      ['container: registry, connection: "AccountKey=hunter2"', /^storage\.azure\.connection: expected a connection string/],
      [
        'container: registry, accountkey: hunter2, connection: "AccountName=images;AccountKey=hunter2"',
        /^storage\.azure\.accountkey: expected nothing beside/,
      ],
      ['accountname: images, container: registry, endpoint: "ftp://x"', /^storage\.azure\.endpoint: expected a URL/],
    ])
    const { problems } = await place.load('version: 0.1\nauth: accounts\nstorage: {azure: {accountname: images, container: registry}}\n')
    assert.match(problems.join(), /database: expected a place for the database/)
  })
})

suite('storage.gcs', () => {
  test('reads a file of registry:2', async () => {
    const { config, warnings } = await load(
      'gcs: {bucket: images, keyfile: key.json, rootdirectory: /a, chunksize: 5242880, maxconcurrency: 5}',
    )
    const { credentials, ...gcs } = config?.storage.gcs ?? {}
    assert.deepEqual(gcs, { bucket: 'images', endpoint: 'https://storage.googleapis.com', prefix: 'a/', partBytes: 5_242_880 })
    assert.match(JSON.stringify(credentials), /^\{"kind":"file","file":"\/.*key\.json"\}$/)
    assert.deepEqual(
      warnings.map((warning) => warning.split(':')[0]),
      ['storage.gcs.maxconcurrency'],
    )
  })

  test('credentials may be written in the file, and are never shown', async () => {
    const { config } = await load('gcs: {bucket: images, credentials: {type: service_account, private_key: hunter2, client_email: a@b}}')
    assert.deepEqual(config?.storage.gcs?.credentials, {
      kind: 'written',
      members: { type: 'service_account', private_key: 'hunter2', client_email: 'a@b' },
    })
    assert.doesNotMatch(JSON.stringify(config.effective), /hunter2/)
  })

  test('without credentials Google’s own sources are asked; an emulator is asked as nobody; a small chunk is as large as a part must be', async () => {
    const plain = await gcsOf('bucket: images, chunksize: 262144')
    assert.deepEqual([plain.credentials, plain.partBytes], [{ kind: 'default' }, 5 * 1024 ** 2])
    const emulator = await gcsOf('bucket: images, endpoint: "http://127.0.0.1:4443/", anonymous: true')
    assert.deepEqual([emulator.credentials, emulator.endpoint], [{ kind: 'none' }, 'http://127.0.0.1:4443'])
  })

  test('says what is missing or does not fit, and never a secret', async () => {
    await refuses('gcs', [
      ['keyfile: a', /^storage\.gcs\.bucket: expected the name of the bucket/],
      ['bucket: "../x"', /^storage\.gcs\.bucket: expected the name of a bucket/],
      [
        'bucket: images, keyfile: a, credentials: {private_key: hunter2}',
        /^storage\.gcs: expected one of keyfile, credentials and anonymous/,
      ],
      ['bucket: images, credentials: hunter2', /^storage\.gcs\.credentials: expected a map/],
      ['bucket: images, chunksize: 1000', /^storage\.gcs\.chunksize: expected a size .* of at least/],
    ])
  })
})
