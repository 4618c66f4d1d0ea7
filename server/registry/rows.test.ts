import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { PageAfter } from '#metadata/page.ts'
import type { Visibility } from '#metadata/visibility.ts'
import { digestOf, type Digest } from '#oci/digest.ts'
import { ociManifest } from '#oci/media-types.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'
import { deleteManifest, deleteTag } from './delete-manifest.ts'
import { describeRepository, updateRepository } from './describe-repository.ts'
import { labelManifest } from './label-manifest.ts'
import { listManifestRows } from './list-manifest-rows.ts'
import { listRepositoryRows } from './list-repository-rows.ts'
import { describeTag, listTagRows, tagHistory } from './list-tag-rows.ts'
import type { Registry } from './registry.ts'
import { tagManifest } from './tag-manifest.ts'
import { addLabelRow } from './test-transactions.ts'
import {
  alice,
  descriptor,
  failsWith,
  imageOf,
  indexOf,
  openTestRegistry,
  pushBytes,
  putImage,
  putManifest,
  repositoryA,
  repositoryB,
} from './test-registry.ts'

const everything: Visibility = { kind: 'everything' }
const who = { actor: 'alice', requestId: 'r1', actorKey: 'user:1', credential: 'password', address: '::1', userAgent: 't' }
const byName = { limit: 100, column: 'name', isDescending: false } as const
const byTime = { limit: 100, column: 'updatedAt', isDescending: true } as const

async function events(registry: Registry, action: string) {
  const rows = await registry.metadata.reader.selectFrom('events').selectAll().where('action', '=', action).orderBy('id').execute()
  return rows.map(({ actor, actor_key, repository, tag, detail }) => ({
    actor,
    actor_key,
    repository,
    tag,
    detail: JSON.parse(detail) as unknown,
  }))
}

/** All pages of a list in one, with so many items a page. */
async function allPages<Item>(read: (after: PageAfter | undefined) => Promise<{ items: readonly Item[]; next?: PageAfter | undefined }>) {
  const items: Item[] = []
  let after: PageAfter | undefined
  for (let pages = 0; pages < 100; pages++) {
    const page = await read(after)
    items.push(...page.items)
    after = page.next
    if (after === undefined) return items
  }
  throw new Error('the list has no end')
}

suite('the list of repositories', () => {
  const names = async (
    registry: Registry,
    visibility: Visibility,
    filter: object = {},
    page: Parameters<typeof listRepositoryRows>[2]['page'] = byName,
  ) => (await listRepositoryRows(registry, visibility, { filter, page })).items.map(({ name }) => name)

  test('has those that are visible, narrowed by beginning, part and project', async () => {
    await using test = await openTestRegistry()
    const { registry } = test
    for (const name of ['team/a', 'team/b', 'teamwork/c', 'x_y/d', 'xzy/d'])
      await putImage(registry, name as RepositoryName, name, 'latest')
    const some: Visibility = { kind: 'some', projectIds: [], repositoryGlobs: ['team/**'], includesPublic: false }
    assert.deepEqual(await names(registry, everything), ['team/a', 'team/b', 'teamwork/c', 'x_y/d', 'xzy/d'])
    assert.deepEqual(await names(registry, some), ['team/a', 'team/b'])
    assert.deepEqual(await names(registry, some, {}, byTime), ['team/b', 'team/a'])
    assert.deepEqual(await names(registry, { kind: 'nothing' }), [])
    assert.deepEqual(await names(registry, everything, { namePrefix: 'team/' }), ['team/a', 'team/b'])
    assert.deepEqual(await names(registry, everything, { nameHas: 'work' }), ['teamwork/c'])
    // What LIKE gives a meaning stands for itself.
    assert.deepEqual(await names(registry, everything, { nameHas: 'x_y' }), ['x_y/d'])
    for (const nameHas of ['%', "' or 1=1 --", '\\', '\u0000']) assert.deepEqual(await names(registry, everything, { nameHas }), [])
    const { projectId } = await describeRepository(registry, repositoryA)
    assert.equal((await names(registry, everything, { projectId })).length, 5)
    assert.deepEqual(await names(registry, everything, { projectId: projectId + 1 }, byTime), [])
  })

  test('is whole when it is read page by page, in either order', async () => {
    await using test = await openTestRegistry()
    const { registry } = test
    const all = ['a', 'b', 'c', 'd', 'e'].map((name) => `p/${name}` as RepositoryName)
    for (const name of all) await putImage(registry, name, 'same', 'latest')
    for (const column of ['name', 'updatedAt'] as const) {
      for (const isDescending of [false, true]) {
        const rows: readonly { readonly name: RepositoryName }[] = await allPages((after) =>
          listRepositoryRows(registry, everything, { filter: {}, page: { limit: 2, column, isDescending, after } }),
        )
        const found = rows.map(({ name }) => name)
        assert.deepEqual(column === 'name' ? found : found.toSorted(), isDescending && column === 'name' ? all.toReversed() : all)
      }
    }
  })

  test('shows no repository that is being deleted, and one with nothing in it', async () => {
    await using test = await openTestRegistry()
    const { registry } = test
    await pushBytes(registry, repositoryA, 'x')
    const [row] = (await listRepositoryRows(registry, everything, { filter: {}, page: byName })).items
    assert.equal(row?.name, repositoryA)
    assert.deepEqual(row?.tags, { count: 0, isExact: true })
    assert.equal(row?.project, 'library')
  })
})

suite('a repository', () => {
  test('is described by its counts and the bytes of its blobs, each once', async () => {
    await using test = await openTestRegistry()
    const { registry } = test
    await putImage(registry, repositoryA, 'x', 'one', 'two')
    const found = await describeRepository(registry, repositoryA)
    assert.deepEqual(found.tags, { count: 2, isExact: true })
    assert.deepEqual(found.manifests, { count: 1, isExact: true })
    assert.deepEqual(found.size, { sizeBytes: 'config of x'.length + 'layer of x'.length, isExact: true })
    await assert.rejects(describeRepository(registry, repositoryB), failsWith('NAME_UNKNOWN'))
  })

  test('gets a description, and the change is recorded once', async () => {
    await using test = await openTestRegistry()
    const { registry } = test
    await putImage(registry, repositoryA, 'x', 'one')
    const description = '<script>alert(1)</script> \u0007'
    await updateRepository(registry, repositoryA, { description }, who)
    await updateRepository(registry, repositoryA, { description }, who)
    assert.equal((await describeRepository(registry, repositoryA)).description, description)
    assert.deepEqual(await events(registry, 'repository.updated'), [
      { actor: 'alice', actor_key: 'user:1', repository: repositoryA, tag: null, detail: { changed: ['description'] } },
    ])
    await assert.rejects(updateRepository(registry, repositoryB, { description }, who), failsWith('NAME_UNKNOWN'))
  })

  test('says when something last changed in it, to a minute, with no write in between', async () => {
    await using test = await openTestRegistry()
    const { registry, clock } = test
    const updatedAt = async () => (await describeRepository(registry, repositoryA)).updatedAt
    const { digest } = await putImage(registry, repositoryA, 'x', 'one')
    const first = await updatedAt()
    clock.advance(30_000)
    await putImage(registry, repositoryA, 'y', 'two')
    assert.equal(await updatedAt(), first)
    const changes = [
      () => putImage(registry, repositoryA, 'z', 'three'),
      () => deleteTag(registry, repositoryA, 'three' as Tag, alice),
      () => tagManifest(registry, { repository: repositoryA, tag: 'four' as Tag, digest, mayMove: false }, who),
      () => deleteManifest(registry, repositoryA, digest, alice),
    ]
    for (const change of changes) {
      const before = await updatedAt()
      clock.advance(61_000)
      await change()
      assert.ok((await updatedAt()) >= before + 61_000, String(change))
    }
  })
})

suite('the list of tags', () => {
  test('is narrowed by beginning and by label, in either order, page by page', async () => {
    await using test = await openTestRegistry()
    const { registry } = test
    const labelId = await registry.metadata.write(addLabelRow, { name: 'good' })
    const image = await putImage(registry, repositoryA, 'x', 'v1', 'v2', 'w1')
    await putImage(registry, repositoryA, 'y', 'v3', 'V4')
    await labelManifest(registry, { repository: repositoryA, digest: image.digest, labelId }, who)
    const cases = [
      [{}, ['V4', 'v1', 'v2', 'v3', 'w1']],
      [{ namePrefix: 'v' }, ['v1', 'v2', 'v3']],
      [{ labelId }, ['v1', 'v2', 'w1']],
      [{ labelId, namePrefix: 'v' }, ['v1', 'v2']],
      [{ labelId: labelId + 1 }, []],
      [{ namePrefix: "v' or '1'='1" }, []],
    ] as const
    const orders = (['name', 'updatedAt'] as const).flatMap((column) => [false, true].map((isDescending) => ({ column, isDescending })))
    for (const [filter, expected] of cases) {
      for (const { column, isDescending } of orders) {
        const rows = await allPages((after) =>
          listTagRows(registry, repositoryA, { filter, page: { limit: 2, column, isDescending, after } }),
        )
        const found = rows.map(({ name }) => name)
        assert.deepEqual(found.toSorted(), expected, JSON.stringify(filter))
        if (column === 'name') assert.deepEqual(found, isDescending ? expected.toReversed() : expected)
      }
    }
    const labelled = await describeTag(registry, repositoryA, 'v1' as Tag)
    assert.deepEqual([labelled.digest, labelled.mediaType, labelled.labels[0]?.name], [image.digest, ociManifest, 'good'])
    await assert.rejects(describeTag(registry, repositoryA, 'none' as Tag), failsWith('MANIFEST_UNKNOWN'))
    await assert.rejects(listTagRows(registry, repositoryB, { filter: {}, page: byName }), failsWith('NAME_UNKNOWN'))
  })

  test('knows what a tag pointed at, after it is gone too', async () => {
    await using test = await openTestRegistry()
    const { registry } = test
    const first = await putImage(registry, repositoryA, 'x', 'latest')
    const second = await putImage(registry, repositoryA, 'y', 'latest')
    await deleteTag(registry, repositoryA, 'latest' as Tag, alice)
    const rows = await allPages((after) =>
      tagHistory(registry, repositoryA, { name: 'latest' as Tag, page: { limit: 1, column: 'id', isDescending: true, after } }),
    )
    assert.deepEqual(
      rows.map(({ digest, previousDigest, actor }) => [digest, previousDigest, actor]),
      [
        [undefined, second.digest, 'alice'],
        [second.digest, first.digest, 'alice'],
        [first.digest, undefined, 'alice'],
      ],
    )
  })
})

suite('a tag that is pointed at a manifest', () => {
  test('is made, moved, or left as it is, and each change is recorded', async () => {
    await using test = await openTestRegistry()
    const { registry } = test
    const first = await putImage(registry, repositoryA, 'x', 'one')
    const second = await putImage(registry, repositoryA, 'y', 'two')
    const tagging = { repository: repositoryA, tag: 'stable' as Tag, digest: first.digest, mayMove: false }
    assert.equal(await tagManifest(registry, tagging, who), 'created')
    assert.equal(await tagManifest(registry, tagging, who), 'unchanged')
    await assert.rejects(tagManifest(registry, { ...tagging, digest: second.digest }, who), failsWith('DENIED'))
    assert.equal((await describeTag(registry, repositoryA, 'stable' as Tag)).digest, first.digest)
    assert.equal(await tagManifest(registry, { ...tagging, digest: second.digest, mayMove: true }, who), 'moved')
    const recorded = (await events(registry, 'tag.moved')).filter(({ tag }) => tag === 'stable')
    assert.deepEqual(
      recorded.map(({ detail, actor_key }) => [detail, actor_key]),
      [
        [{}, 'user:1'],
        [{ previousDigest: first.digest }, 'user:1'],
      ],
    )
  })

  test('is refused where the manifest is unknown, or somebody who has a say in pushes says no', async () => {
    const asked: string[] = []
    const check = {
      name: 'test',
      operations: ['push'] as const,
      check: async ({ tags, manifest }: { tags: readonly Tag[]; manifest: unknown }) => {
        asked.push(...tags)
        assert.ok(manifest !== undefined)
        if (tags.includes('locked' as Tag)) throw Object.assign(new Error('no'), { code: 'DENIED' })
      },
    }
    await using test = await openTestRegistry({ hooks: { admission: [check] } })
    const { registry } = test
    const { digest } = await putImage(registry, repositoryA, 'x', 'one')
    const unknown = digestOf(Buffer.from('unknown'))
    const tagging = { repository: repositoryA, tag: 'two' as Tag, digest, mayMove: true }
    await assert.rejects(tagManifest(registry, { ...tagging, digest: unknown }, who), failsWith('MANIFEST_UNKNOWN'))
    await assert.rejects(tagManifest(registry, { ...tagging, repository: repositoryB }, who), failsWith('NAME_UNKNOWN'))
    await assert.rejects(tagManifest(registry, { ...tagging, tag: 'locked' as Tag }, who), /no/)
    await assert.rejects(describeTag(registry, repositoryA, 'locked' as Tag), failsWith('MANIFEST_UNKNOWN'))
    assert.deepEqual(asked, ['one', 'locked'])
  })
})

suite('the list of manifests', () => {
  test('is narrowed by type, tags and label, in either order, page by page', async () => {
    await using test = await openTestRegistry()
    const { registry } = test
    const labelId = await registry.metadata.write(addLabelRow, { name: 'good' })
    const tagged = await putImage(registry, repositoryA, 'x', ...Array.from({ length: 12 }, (_, index) => `t${index}`))
    const bare = await putImage(registry, repositoryA, 'y')
    const artifact = await putManifest(
      registry,
      repositoryA,
      imageOf({ config: bare.config, artifactType: 'application/x-sbom', subject: descriptor(tagged.digest, ociManifest) }),
    )
    const index = await putManifest(registry, repositoryA, indexOf([descriptor(tagged.digest, ociManifest)]), 'index')
    await labelManifest(registry, { repository: repositoryA, digest: bare.digest, labelId }, who)
    const cases: readonly (readonly [object, readonly Digest[]])[] = [
      [{}, [tagged.digest, bare.digest, artifact.digest, index.digest]],
      [{ isTagged: true }, [tagged.digest, index.digest]],
      [{ isTagged: false }, [bare.digest, artifact.digest]],
      [{ artifactType: 'application/x-sbom' }, [artifact.digest]],
      [{ mediaType: ociManifest, isTagged: false }, [bare.digest, artifact.digest]],
      [{ labelId }, [bare.digest]],
      [{ mediaType: "x' union select 1 --" }, []],
    ]
    for (const [filter, expected] of cases) {
      for (const column of ['createdAt', 'sizeBytes'] as const) {
        for (const isDescending of [false, true]) {
          const page = { limit: 1, column, isDescending }
          const rows = await allPages((after) => listManifestRows(registry, repositoryA, { filter, page: { ...page, after } }))
          assert.deepEqual(rows.map(({ digest }) => digest).toSorted(), expected.toSorted(), JSON.stringify(filter))
          const values = rows.map((row) => row[column])
          assert.deepEqual(
            values,
            values.toSorted((a, b) => (isDescending ? b - a : a - b)),
          )
        }
      }
    }
    const listed = await listManifestRows(registry, repositoryA, {
      filter: {},
      page: { limit: 9, column: 'createdAt', isDescending: false },
    })
    const row = listed.items.find(({ digest }) => digest === tagged.digest)
    assert.equal(row?.tags.length, 10)
    assert.equal(row?.hasMoreTags, true)
    assert.equal(listed.items.find(({ digest }) => digest === artifact.digest)?.subject, tagged.digest)
  })
})
