import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { ConfigPlace } from './test-place.ts'

const s3 = { s3: { bucket: 'blobs', region: 'eu-central-1' } }
const former = { filesystem: { filesystem: { rootdirectory: '/var/lib/registry' } } }

let place: ConfigPlace
before(async () => {
  place = await ConfigPlace.make()
})
after(() => place[Symbol.asyncDispose]())

const textOf = (storage: object) => JSON.stringify({ version: 0.1, database: { file: '/db' }, auth: 'accounts', storage })
const load = (storage: object, environment: Record<string, string> = {}) => place.configOf(textOf(storage), environment)
const problemsOf = (storage: object) => place.problemsOf(textOf(storage))

suite('several stores', () => {
  test('a store is called like its driver unless it says otherwise, and others are read with the keys of their drivers', async () => {
    const { storage } = await load({
      ...s3,
      stores: { ...former, cold: { s3: { bucket: 'cold-blobs', region: 'x', storageclass: 'GLACIER_IR' } } },
    })
    assert.equal(storage.name, 's3')
    assert.deepEqual(
      storage.others.map(({ name, driver, rootDirectory, s3: own }) => [name, driver, rootDirectory, own?.bucket, own?.storageClass]),
      [
        ['filesystem', 'filesystem', '/var/lib/registry', undefined, undefined],
        ['cold', 's3', undefined, 'cold-blobs', 'GLACIER_IR'],
      ],
    )
    assert.equal(
      (await load({ ...s3, name: 'new-bucket', stores: { s3: { s3: { bucket: 'old-one', region: 'x' } } } })).storage.name,
      'new-bucket',
    )
    assert.deepEqual((await load({ filesystem: { rootdirectory: '/data' } })).storage.others, [])
  })

  test('secrets of other stores are shown by nobody', async () => {
    const { effective } = await load({
      ...s3,
      stores: { cold: { s3: { bucket: 'cold', region: 'x', accesskey: 'AK1', secretkey: 'SK1' } } },
    })
    assert.ok(effective.some(({ key, value }) => key === 'storage.stores' && value === 'cold: s3'))
    assert.doesNotMatch(JSON.stringify(effective), /AK1|SK1/)
  })

  test('a variable names them as a whole', async () => {
    const { storage } = await load(s3, { REGISTRY_STORAGE_STORES: '{filesystem: {filesystem: {rootdirectory: /old}}}' })
    assert.deepEqual(storage.others[0]?.rootDirectory, '/old')
  })

  test('what is wrong with one is told by its own path', async () => {
    const wrong: readonly (readonly [storage: object, problem: RegExp])[] = [
      [{ ...s3, stores: { cold: { s3: { region: 'x' } } } }, /storage\.stores\.cold\.s3\.bucket: expected the name of the bucket/],
      [{ ...s3, stores: { cold: { filesystem: {} } } }, /storage\.stores\.cold\.filesystem\.rootdirectory: expected a directory/],
      [{ ...s3, stores: { cold: {} } }, /storage\.stores\.cold: expected exactly one of filesystem, s3, azure, gcs, found nothing/],
      [{ ...s3, stores: { cold: { ...s3, azure: {} } } }, /storage\.stores\.cold: expected exactly one of/],
      [{ ...s3, stores: { cold: { ...s3, delete: {} } } }, /storage\.stores\.cold: expected exactly one of/],
      [{ ...s3, stores: { cold: { inmemory: {} } } }, /storage\.stores\.cold: expected exactly one of/],
      [{ ...s3, stores: { 'Cold Store': s3 } }, /storage\.stores\.Cold Store: expected a name of lower-case letters/],
      [{ ...s3, stores: { cold: 'x' } }, /storage\.stores\.cold: expected a map with one driver/],
      [{ ...s3, stores: ['cold'] }, /storage\.stores: expected a map/],
      [
        { ...s3, stores: { s3: { s3: { bucket: 'other', region: 'x' } } } },
        /storage\.stores\.s3: expected another name than that of the store above it, s3/,
      ],
      [
        { ...s3, stores: { filesystem: s3 } },
        /storage\.stores\.filesystem: expected another name: filesystem is that of a store of another kind/,
      ],
      [{ ...s3, name: 'azure' }, /storage\.name: expected another name: azure/],
      [{ ...s3, name: 'Not Good' }, /storage\.name: expected a name/],
      [
        { filesystem: { rootdirectory: '/data' }, stores: { second: { filesystem: { rootdirectory: '/data' } } } },
        /storage\.stores\.second: expected a directory of its own/,
      ],
    ]
    for (const [storage, problem] of wrong) assert.match(await problemsOf(storage), problem)
  })
})

suite('tiers', () => {
  const stores = { cold: { s3: { bucket: 'cold', region: 'x' } } }

  test('rules have defaults that fit', async () => {
    const { storage } = await load({
      ...s3,
      stores,
      tiers: { cold: 'cold', rules: [{ notpulledfor: '2160h' }, { notpulledfor: '720h', minimumsize: '1MiB', projects: ['archive/**'] }] },
    })
    assert.deepEqual(storage.tiers, {
      cold: 'cold',
      rules: [
        { notPulledForMs: 90 * 86_400_000, minimumBytes: 131_072, projects: undefined },
        { notPulledForMs: 720 * 3_600_000, minimumBytes: 1_048_576, projects: ['archive/**'] },
      ],
      schedule: '30 1 * * *',
      returns: true,
      bytesPerSecond: 50 * 1024 ** 2,
    })
    assert.equal((await load({ ...s3, stores, tiers: { cold: 'cold' } })).storage.tiers?.schedule, undefined)
  })

  test('what cannot be is refused', async () => {
    const wrong: readonly (readonly [tiers: object, problem: RegExp])[] = [
      [{ cold: 'elsewhere' }, /storage\.tiers\.cold: expected the name of a store of storage\.stores, found "elsewhere"/],
      [{ cold: 's3' }, /storage\.tiers\.cold: expected the name of a store/],
      [{ rules: [{ notpulledfor: '2160h' }] }, /storage\.tiers\.cold: expected the name of a store/],
      [{ cold: 'cold', rules: [{ notpulledfor: 90 }] }, /storage\.tiers\.rules\[0\]\.notpulledfor: expected a duration/],
      [{ cold: 'cold', rules: [{ minimumsize: '1MiB' }] }, /storage\.tiers\.rules\[0\]\.notpulledfor/],
      [{ cold: 'cold', rules: [{ notpulledfor: '2160h', projects: ['Not/A*'] }] }, /storage\.tiers\.rules\[0\]\.projects\[0\]/],
      [{ cold: 'cold', schedule: 'sometimes' }, /storage\.tiers\.schedule/],
      [{ cold: 'cold', back: true }, /storage\.tiers\.back: expected one of/],
    ]
    for (const [tiers, problem] of wrong) assert.match(await problemsOf({ ...s3, stores, tiers }), problem)
  })
})

suite('a read-through cache', () => {
  test('keeps blobs of up to a quarter of its size', async () => {
    const { storage } = await load({ ...s3, readthrough: { directory: '/ssd', size: '200GiB' } })
    assert.deepEqual(storage.readThrough, { directory: '/ssd', sizeBytes: 200 * 1024 ** 3, maximumBytes: 50 * 1024 ** 3, redirects: false })
    assert.equal((await load(s3)).storage.readThrough, undefined)
  })

  test('needs a directory, a size and an object store', async () => {
    assert.match(await problemsOf({ ...s3, readthrough: { size: '200GiB' } }), /storage\.readthrough\.directory: expected a directory/)
    assert.match(await problemsOf({ ...s3, readthrough: { directory: '/ssd' } }), /storage\.readthrough\.size: expected a size/)
    assert.match(
      await problemsOf({ ...s3, readthrough: { directory: '/ssd', size: '1MiB' } }),
      /storage\.readthrough\.size: expected a size/,
    )
    assert.match(
      await problemsOf({ ...s3, readthrough: { directory: '/ssd', size: '1GiB', maximumblob: '2GiB' } }),
      /storage\.readthrough\.maximumblob: expected no more than/,
    )
    assert.match(
      await problemsOf({ filesystem: { rootdirectory: '/data' }, readthrough: { directory: '/ssd', size: '1GiB' } }),
      /storage\.readthrough: expected an object store to stand before/,
    )
  })
})
