import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createImmutableRule, deleteImmutableRule, listImmutableRules, updateImmutableRule } from '#projects/immutable-rules.ts'
import { createProject } from '#projects/create-project.ts'
import { renameProject } from '#projects/rename-project.ts'
import type { NewImmutableRule } from '#metadata/immutable-rules.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'
import { deleteManifest, deleteTag } from './delete-manifest.ts'
import { deleteProjectWithContent } from './delete-project.ts'
import { deleteRepository } from './delete-repository.ts'
import { listTagRows } from './list-tag-rows.ts'
import { pullManifest } from './pull-manifest.ts'
import type { Registry } from './registry.ts'
import { restoreTag } from './restore-tag.ts'
import { tagManifest } from './tag-manifest.ts'
import {
  alice,
  descriptor,
  failsWith,
  hourMs,
  indexOf,
  openTestRegistry,
  putImage,
  putManifest,
  repositoryA,
  repositoryB,
  type TestRegistry,
} from './test-registry.ts'

const who = { actor: 'alice', requestId: 'r1' }
const all: NewImmutableRule = { repositories: '**', tagSyntax: 'glob', tags: 'v*', description: '', isEnabled: true }

function partsOf({ registry, clock }: TestRegistry) {
  return { metadata: registry.metadata, ports: { clock } }
}

/** A registry with the project `team`, which has a rule. */
async function openGuarded(rule: Partial<NewImmutableRule> = {}, options: Parameters<typeof openTestRegistry>[0] = {}) {
  const opened = await openTestRegistry(options)
  const project = await createProject(partsOf(opened), { name: 'team' }, who)
  const made = await createImmutableRule(partsOf(opened), { projectId: project.id, rule: { ...all, ...rule } }, who)
  return { opened, registry: opened.registry, project, rule: made, [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose]() }
}

async function tagsOf(registry: Registry, repository = repositoryA): Promise<Record<string, boolean>> {
  const page = { limit: 100, column: 'name', isDescending: false } as const
  const { items } = await listTagRows(registry, repository, { filter: {}, page })
  return Object.fromEntries(items.map(({ name, isImmutable }) => [name, isImmutable]))
}

const digestOf = async (registry: Registry, tag: string) =>
  (await pullManifest(registry, repositoryA, { kind: 'tag', tag: tag as Tag }, alice)).digest

suite('an immutable tag', () => {
  test('is neither moved by a push nor by pointing it, and the error names tag, rule and project', async () => {
    await using guarded = await openGuarded()
    const { registry, rule } = guarded
    const first = await putImage(registry, repositoryA, 'one', 'v1')
    await assert.rejects(
      putImage(registry, repositoryA, 'two', 'v1'),
      failsWith('TAG_IMMUTABLE', { repository: repositoryA, tag: 'v1', project: 'team', rule: rule.id, pattern: 'v*' }),
    )
    await assert.rejects(
      putImage(registry, repositoryA, 'two', 'v1'),
      /the tag v1 of team\/a is immutable: rule \d+ of project team \(glob v\*\)/,
    )
    const two = await putImage(registry, repositoryA, 'two', 'other')
    const tagging = { repository: repositoryA, tag: 'v1' as Tag, digest: two.digest, mayMove: true }
    await assert.rejects(tagManifest(registry, tagging, who), failsWith('TAG_IMMUTABLE'))
    assert.equal(await digestOf(registry, 'v1'), first.digest)
  })

  test('is pushed again as it is, and tags that are new are made', async () => {
    await using guarded = await openGuarded()
    const { registry } = guarded
    const first = await putImage(registry, repositoryA, 'one', 'v1')
    assert.equal((await putImage(registry, repositoryA, 'one', 'v1', 'v2')).digest, first.digest)
    assert.deepEqual(await tagsOf(registry), { v1: true, v2: true })
  })

  test('moves none of the tags that are pushed with it', async () => {
    await using guarded = await openGuarded()
    const { registry } = guarded
    const first = await putImage(registry, repositoryA, 'one', 'latest', 'v1')
    await assert.rejects(putImage(registry, repositoryA, 'two', 'latest', 'v1', 'v2'), failsWith('TAG_IMMUTABLE'))
    assert.equal(await digestOf(registry, 'latest'), first.digest)
    assert.deepEqual(await tagsOf(registry), { latest: false, v1: true })
  })

  test('is deleted neither by name nor with its digest', async () => {
    await using guarded = await openGuarded()
    const { registry } = guarded
    const { digest } = await putImage(registry, repositoryA, 'one', 'latest', 'v1')
    await assert.rejects(deleteTag(registry, repositoryA, 'v1' as Tag, alice), failsWith('TAG_IMMUTABLE'))
    await assert.rejects(deleteManifest(registry, repositoryA, digest, alice), failsWith('TAG_IMMUTABLE'))
    await deleteTag(registry, repositoryA, 'latest' as Tag, alice)
    assert.deepEqual(await tagsOf(registry), { v1: true })
  })

  test('of an index keeps what the index lists, also through another index', async () => {
    await using guarded = await openGuarded()
    const { registry } = guarded
    const child = await putImage(registry, repositoryA, 'one')
    const free = await putImage(registry, repositoryA, 'two')
    const inner = await putManifest(
      registry,
      repositoryA,
      indexOf([descriptor(child.digest, 'application/vnd.oci.image.manifest.v1+json')]),
    )
    await putManifest(registry, repositoryA, indexOf([descriptor(inner.digest, 'application/vnd.oci.image.index.v1+json')]), 'v1')
    for (const { digest } of [child, inner]) {
      await assert.rejects(deleteManifest(registry, repositoryA, digest, alice), failsWith('TAG_IMMUTABLE'))
    }
    await deleteManifest(registry, repositoryA, free.digest, alice)
  })

  test('keeps its repository and its project from being deleted, until the rule is gone', async () => {
    await using guarded = await openGuarded()
    const { opened, registry, project, rule } = guarded
    await putImage(registry, repositoryA, 'one', 'v1')
    await putImage(registry, repositoryB, 'one', 'latest')
    const deletion = { id: project.id, name: project.name, isDefault: false, expectedVersion: undefined }
    await assert.rejects(deleteRepository(registry, repositoryA, alice), failsWith('TAG_IMMUTABLE'))
    await assert.rejects(deleteProjectWithContent(registry, deletion, who), failsWith('TAG_IMMUTABLE'))
    assert.deepEqual(await tagsOf(registry, repositoryB), { latest: false })
    await deleteRepository(registry, repositoryB, alice)
    await deleteImmutableRule(partsOf(opened), { projectId: project.id, ruleId: rule.id, expectedVersion: undefined }, who)
    await deleteProjectWithContent(registry, deletion, who)
    await assert.rejects(tagsOf(registry), failsWith('NAME_UNKNOWN'))
  })

  test('keeps its project from the trash as well', async () => {
    await using guarded = await openGuarded({}, { options: { trashWindowMs: hourMs } })
    const { registry, project } = guarded
    await putImage(registry, repositoryA, 'one', 'v1')
    const deletion = { id: project.id, name: project.name, isDefault: false, expectedVersion: undefined }
    await assert.rejects(deleteProjectWithContent(registry, deletion, who), failsWith('TAG_IMMUTABLE'))
    await assert.rejects(deleteRepository(registry, repositoryA, alice), failsWith('TAG_IMMUTABLE'))
    assert.deepEqual(await tagsOf(registry), { v1: true })
  })

  test('is found behind thousands of others when its repository is to be deleted', async () => {
    await using guarded = await openGuarded({ tags: 'zz' })
    const { registry } = guarded
    const { digest } = await putImage(registry, repositoryA, 'one', 'zz')
    for (let index = 0; index < 1_100; index++) {
      await tagManifest(registry, { repository: repositoryA, tag: `t${index}` as Tag, digest, mayMove: false }, who)
    }
    await assert.rejects(deleteRepository(registry, repositoryA, alice), failsWith('TAG_IMMUTABLE'))
  })

  test('is not put back to what it was', async () => {
    await using guarded = await openGuarded({ isEnabled: false }, { options: { trashWindowMs: hourMs } })
    const { opened, registry, project, rule } = guarded
    await putImage(registry, repositoryA, 'one', 'v1')
    await putImage(registry, repositoryA, 'two', 'v1')
    await updateImmutableRule(
      partsOf(opened),
      { projectId: project.id, ruleId: rule.id, expectedVersion: undefined, change: { isEnabled: true } },
      who,
    )
    const wanted = { repository: repositoryA, tag: 'v1' as Tag, mayMove: true, mayTakeFromTrash: true }
    await assert.rejects(restoreTag(registry, wanted, who), failsWith('TAG_IMMUTABLE'))
  })

  test('can be signed: tags of cosign move, and are not deleted', async () => {
    await using guarded = await openGuarded({ tags: '**' })
    const { registry } = guarded
    const { digest } = await putImage(registry, repositoryA, 'one', 'v1')
    for (const suffix of ['sig', 'att', 'sbom']) {
      const signature = `${digest.replace(':', '-')}.${suffix}`
      await putImage(registry, repositoryA, 'signature', signature)
      const second = await putImage(registry, repositoryA, 'signatures', signature)
      assert.equal(await digestOf(registry, signature), second.digest)
      await assert.rejects(deleteTag(registry, repositoryA, signature as Tag, alice), failsWith('TAG_IMMUTABLE'))
    }
    await putImage(registry, repositoryA, 'no signature', 'sha256-abc.sig')
    await assert.rejects(putImage(registry, repositoryA, 'another', 'sha256-abc.sig'), failsWith('TAG_IMMUTABLE'))
  })
})

suite('an immutable tag rule', () => {
  test('holds in projects below its own, and nowhere else', async () => {
    await using guarded = await openGuarded()
    const { opened, registry } = guarded
    await createProject(partsOf(opened), { name: 'team/sub' }, who)
    await createProject(partsOf(opened), { name: 'teamwork' }, who)
    for (const [name, isKept] of [
      ['team/sub/app', true],
      ['team/app', true],
      ['teamwork/app', false],
      ['app', false],
    ] as const) {
      const repository = name as RepositoryName
      await putImage(registry, repository, 'one', 'v1')
      const again = putImage(registry, repository, 'two', 'v1')
      if (isKept) await assert.rejects(again, failsWith('TAG_IMMUTABLE'), name)
      else await again
      if (isKept) await assert.rejects(deleteRepository(registry, repository, alice), failsWith('TAG_IMMUTABLE'))
      else await deleteRepository(registry, repository, alice)
    }
  })

  test('of a project below keeps the project above from being deleted', async () => {
    await using guarded = await openGuarded({ isEnabled: false })
    const { opened, registry, project } = guarded
    const below = await createProject(partsOf(opened), { name: 'team/sub' }, who)
    await createImmutableRule(partsOf(opened), { projectId: below.id, rule: all }, who)
    await putImage(registry, 'team/sub/app' as RepositoryName, 'one', 'v1')
    const deletion = { id: project.id, name: project.name, isDefault: false, expectedVersion: undefined }
    await assert.rejects(deleteProjectWithContent(registry, deletion, who), failsWith('TAG_IMMUTABLE'))
  })

  test('holds for the repositories and tags that it fits, and not when it is switched off', async () => {
    await using guarded = await openGuarded({ repositories: 'team/a*', tagSyntax: 'semver', tags: '>=1.0.0' })
    const { opened, registry, project, rule } = guarded
    for (const repository of [repositoryA, repositoryB]) {
      for (const tag of ['v1.2.3', '0.9.0', 'latest']) await putImage(registry, repository, 'one', tag)
    }
    assert.deepEqual(await tagsOf(registry), { '0.9.0': false, latest: false, 'v1.2.3': true })
    assert.deepEqual(await tagsOf(registry, repositoryB), { '0.9.0': false, latest: false, 'v1.2.3': false })
    await putImage(registry, repositoryB, 'two', 'v1.2.3')
    await assert.rejects(putImage(registry, repositoryA, 'two', 'v1.2.3'), failsWith('TAG_IMMUTABLE'))
    const change = { projectId: project.id, ruleId: rule.id, expectedVersion: undefined, change: { isEnabled: false } }
    await updateImmutableRule(partsOf(opened), change, who)
    await putImage(registry, repositoryA, 'two', 'v1.2.3')
  })

  test('is asked about each tag of a hostile pattern in no time', async () => {
    await using guarded = await openGuarded({ tagSyntax: 'regex', tags: '(a+)+b' })
    const { registry } = guarded
    const tag = 'a'.repeat(128)
    await putImage(registry, repositoryA, 'one', tag)
    const begin = performance.now()
    await putImage(registry, repositoryA, 'two', tag)
    assert.ok(performance.now() - begin < 2_000)
  })

  test('goes with its project through a rename', async () => {
    await using guarded = await openGuarded({ repositories: 'team/a' })
    const { opened, registry, project } = guarded
    await putImage(registry, repositoryA, 'one', 'v1')
    await renameProject(partsOf(opened), { projectId: project.id, name: 'crew', expectedVersion: undefined }, who)
    const page = { limit: 10, column: 'createdAt', isDescending: false } as const
    const rules = await listImmutableRules(partsOf(opened), project.id, page)
    assert.deepEqual(
      rules.items.map(({ repositories }) => repositories),
      ['crew/a'],
    )
    await assert.rejects(putImage(registry, 'crew/a' as RepositoryName, 'two', 'v1'), failsWith('TAG_IMMUTABLE'))
  })

  test('is refused where it can mean nothing, and where there are too many', async () => {
    await using guarded = await openGuarded()
    const { opened, project } = guarded
    const parts = partsOf(opened)
    for (const rule of [
      { tags: '[a' },
      { tagSyntax: 'regex', tags: '(' },
      { tagSyntax: 'semver', tags: 'latest' },
      { repositories: 'TEAM/**' },
    ] as const) {
      await assert.rejects(
        createImmutableRule(parts, { projectId: project.id, rule: { ...all, ...rule } }, who),
        failsWith('REQUEST_INVALID'),
      )
    }
    for (let index = 1; index < 100; index++) await createImmutableRule(parts, { projectId: project.id, rule: all }, who)
    await assert.rejects(createImmutableRule(parts, { projectId: project.id, rule: all }, who), failsWith('CONFLICT'))
  })
})
