/**
 * Random pushes, deletes, restores and deletions for good against a model that keeps plain objects. A seed that fails is printed with what was done; run it
 * alone with BERTH_TRASH_SEED.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemScope, usageIn } from '#metadata/usage-counters.ts'
import type { Digest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'
import { checkInvariants } from '../../test/invariants.ts'
import { collectGarbage } from './collect-garbage.ts'
import { deleteManifest, deleteTag } from './delete-manifest.ts'
import { deleteRepository } from './delete-repository.ts'
import { listTrash } from './list-trash.ts'
import { purgeTrash } from './purge-trash.ts'
import { restoreTrash } from './restore-trash.ts'
import { alice, hourMs, noSignal, openTestRegistry, putImage, type TestRegistry } from './test-registry.ts'

const who = { actor: 'alice', requestId: 'r1' }
const seeds = process.env['BERTH_TRASH_SEED'] === undefined ? [1, 2, 3, 4, 5, 6] : [Number(process.env['BERTH_TRASH_SEED'])]
const steps = 120

interface Manifest {
  readonly digest: Digest
}

/** One life of a repository: its name may be another's by the time it comes back. */
interface Life {
  readonly name: string
  readonly manifests: Map<Digest, Manifest>
  readonly tags: Map<string, Manifest>
}

type Item =
  | { readonly kind: 'repository'; readonly life: Life }
  | { readonly kind: 'manifest'; readonly life: Life; readonly manifest: Manifest; readonly tags: readonly string[] }
  | { readonly kind: 'tag'; readonly life: Life; manifest: Manifest; readonly tag: string }

class Model {
  readonly live = new Map<string, Life>()
  trash: Item[] = []

  push(name: string, digest: Digest, tag: string): void {
    const life = this.live.get(name) ?? { name, manifests: new Map(), tags: new Map() }
    this.live.set(name, life)
    const manifest = life.manifests.get(digest) ?? { digest }
    life.manifests.set(digest, manifest)
    life.tags.set(tag, manifest)
  }

  deleteTag(life: Life, tag: string): void {
    const manifest = life.tags.get(tag)
    assert.ok(manifest)
    life.tags.delete(tag)
    this.forget(life, tag)
    this.trash.push({ kind: 'tag', life, manifest, tag })
  }

  deleteManifest(life: Life, digest: Digest): void {
    const manifest = life.manifests.get(digest)
    assert.ok(manifest)
    const tags = [...life.tags].filter(([, target]) => target === manifest).map(([tag]) => tag)
    for (const tag of tags) life.tags.delete(tag)
    life.manifests.delete(digest)
    const former = this.inTrash(life, digest)
    if (former !== undefined) {
      this.retarget(former.manifest, manifest)
      this.drop(former)
    }
    this.trash.push({ kind: 'manifest', life, manifest, tags })
  }

  deleteRepository(life: Life): void {
    this.live.delete(life.name)
    this.trash.push({ kind: 'repository', life })
  }

  /** False: something stands in the way. */
  restore(item: Item): boolean {
    const { life } = item
    if (item.kind === 'repository') {
      if (this.live.has(life.name)) return false
      this.live.set(life.name, life)
      this.drop(item)
      return true
    }
    if (this.live.get(life.name) !== life) return false
    if (item.kind === 'manifest') {
      this.bringBack(item, item.tags)
      return true
    }
    const current = life.tags.get(item.tag)
    if (current !== undefined && current.digest !== item.manifest.digest) return false
    const trashed = life.manifests.has(item.manifest.digest) ? undefined : this.inTrash(life, item.manifest.digest)
    if (trashed !== undefined) this.bringBack(trashed, [item.tag])
    const manifest = life.manifests.get(item.manifest.digest)
    assert.ok(manifest)
    life.tags.set(item.tag, manifest)
    this.drop(item)
    return true
  }

  purge(item: Item): void {
    this.drop(item)
    if (item.kind === 'repository') this.trash = this.trash.filter(({ life }) => life !== item.life)
    if (item.kind === 'manifest') this.trash = this.trash.filter((each) => each.kind !== 'tag' || each.manifest !== item.manifest)
  }

  private bringBack(item: Extract<Item, { kind: 'manifest' }>, tags: readonly string[]): void {
    const { life } = item
    const manifest = life.manifests.get(item.manifest.digest) ?? item.manifest
    this.retarget(item.manifest, manifest)
    life.manifests.set(manifest.digest, manifest)
    this.drop(item)
    for (const tag of tags.filter((each) => item.tags.includes(each) && !life.tags.has(each))) {
      life.tags.set(tag, manifest)
      this.forget(life, tag)
    }
  }

  private inTrash(life: Life, digest: Digest) {
    return this.trash.find(
      (each): each is Extract<Item, { kind: 'manifest' }> =>
        each.kind === 'manifest' && each.life === life && each.manifest.digest === digest,
    )
  }

  private retarget(from: Manifest, to: Manifest): void {
    for (const item of this.trash) if (item.kind === 'tag' && item.manifest === from) item.manifest = to
  }

  private forget(life: Life, tag: string): void {
    this.trash = this.trash.filter((each) => each.kind !== 'tag' || each.life !== life || each.tag !== tag)
  }

  private drop(item: Item): void {
    this.trash = this.trash.filter((each) => each !== item)
  }
}

/** What both sides can say of themselves. */
interface Told {
  readonly repositories: Readonly<
    Record<string, { readonly manifests: readonly string[]; readonly tags: Readonly<Record<string, string>> }>
  >
  readonly trash: readonly string[]
}

const inOrder = (record: Record<string, unknown>) => Object.fromEntries(Object.entries(record).toSorted(([a], [b]) => (a < b ? -1 : 1)))

function toldByModel({ live, trash }: Model): Told {
  const repositories = [...live].map(([name, { manifests, tags }]) => [
    name,
    { manifests: [...manifests.keys()].toSorted(), tags: inOrder(Object.fromEntries([...tags].map(([tag, { digest }]) => [tag, digest]))) },
  ])
  return { repositories: inOrder(Object.fromEntries(repositories) as never) as Told['repositories'], trash: trash.map(keyOf).toSorted() }
}

function keyOf(item: Item): string {
  const { kind, life } = item
  if (kind === 'repository') return `repository ${life.name}`
  return kind === 'tag'
    ? `tag ${life.name}:${item.tag}@${item.manifest.digest}`
    : `manifest ${life.name}@${item.manifest.digest} ${[...item.tags].toSorted().join()}`
}

async function itemsOf({ registry }: TestRegistry) {
  const page = { limit: 1000, column: 'deletedAt', isDescending: true } as const
  return (await listTrash(registry, { kind: 'everything' }, { filter: {}, page })).items
}

function keyOfRow({ kind, repository, digest, tags }: Awaited<ReturnType<typeof itemsOf>>[number]): string {
  if (kind === 'repository') return `repository ${repository}`
  return kind === 'tag' ? `tag ${repository}:${tags[0]}@${digest}` : `manifest ${repository}@${digest} ${[...tags].toSorted().join()}`
}

async function toldByRegistry(opened: TestRegistry): Promise<Told> {
  const { reader } = opened.registry.metadata
  const rows = await reader.selectFrom('repositories').select(['id', 'name']).where('name', '>=', '0').execute()
  const repositories: Record<string, unknown> = {}
  for (const { id, name } of rows) {
    const manifests = await reader.selectFrom('manifests').select(['id', 'digest']).where('repository_id', '=', id).execute()
    const digests = new Map(manifests.map((row) => [row.id, `sha256:${Buffer.from(row.digest).subarray(1).toString('hex')}`]))
    const tags = await reader.selectFrom('tags').select(['name', 'manifest_id']).where('repository_id', '=', id).execute()
    repositories[name] = {
      manifests: [...digests.values()].toSorted(),
      tags: inOrder(Object.fromEntries(tags.map((tag) => [tag.name, digests.get(tag.manifest_id)]))),
    }
  }
  return { repositories: inOrder(repositories) as Told['repositories'], trash: (await itemsOf(opened)).map(keyOfRow).toSorted() }
}

function randomFrom(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

type Pick = <T>(values: Iterable<T>) => T | undefined

interface Turn {
  readonly opened: TestRegistry
  readonly model: Model
  readonly pick: Pick
}

/** Two lives of one name cannot be told apart by what they are called: the row of an item is the one that its key and its order name. */
async function rowOf({ opened, model }: Turn, item: Item) {
  const alike = model.trash.filter((each) => keyOf(each) === keyOf(item))
  const rows = (await itemsOf(opened)).filter((row) => keyOfRow(row) === keyOf(item)).toSorted((one, other) => one.id - other.id)
  return rows[alike.indexOf(item)]
}

const deeds: Readonly<Record<string, (turn: Turn) => Promise<string | undefined>>> = {
  async push({ opened, model, pick }) {
    const name = pick(['team/a', 'team/b', 'c']) ?? ''
    const tag = pick(['v1', 'v2', 'v3']) ?? ''
    const { digest } = await putImage(opened.registry, name as RepositoryName, pick(['one', 'two', 'three', 'four']) ?? '', tag)
    model.push(name, digest, tag)
    return `${name}:${tag} ${digest.slice(7, 12)}`
  },
  async 'delete tag'({ opened, model, pick }) {
    const life = pick(model.live.values())
    const tag = life && pick(life.tags.keys())
    if (life === undefined || tag === undefined) return undefined
    await deleteTag(opened.registry, life.name as RepositoryName, tag as Tag, alice)
    model.deleteTag(life, tag)
    return `${life.name}:${tag}`
  },
  async 'delete manifest'({ opened, model, pick }) {
    const life = pick(model.live.values())
    const digest = life && pick(life.manifests.keys())
    if (life === undefined || digest === undefined) return undefined
    await deleteManifest(opened.registry, life.name as RepositoryName, digest, alice)
    model.deleteManifest(life, digest)
    return `${life.name}@${digest.slice(7, 12)}`
  },
  async 'delete repository'({ opened, model, pick }) {
    const life = pick(model.live.values())
    if (life === undefined) return undefined
    await deleteRepository(opened.registry, life.name as RepositoryName, alice)
    model.deleteRepository(life)
    return life.name
  },
  async restore(turn) {
    const item = turn.pick(turn.model.trash)
    const row = item && (await rowOf(turn, item))
    if (item === undefined || row === undefined) return undefined
    const what = keyOf(item)
    const place = { to: row.repository as RepositoryName, projectId: row.projectId }
    const isBack = await restoreTrash(turn.opened.registry, { row, place: item.kind === 'repository' ? place : undefined }, who).then(
      () => true,
      (error: unknown) => {
        assert.ok(error instanceof RegistryError && error.code === 'CONFLICT', String(error))
        return false
      },
    )
    assert.equal(isBack, turn.model.restore(item), what)
    return `${what} ${isBack}`
  },
  async purge(turn) {
    const item = turn.pick(turn.model.trash)
    const row = item && (await rowOf(turn, item))
    if (item === undefined || row === undefined) return undefined
    await purgeTrash(turn.opened.registry, row, who)
    turn.model.purge(item)
    return keyOf(item)
  },
  async collect({ opened }) {
    opened.clock.advance(25 * hourMs)
    await collectGarbage(opened.registry, { signal: noSignal })
    return ''
  },
}

for (const seed of seeds) {
  test(`random deletes and restores leave what a model says (seed ${seed})`, async () => {
    await using opened = await openTestRegistry({ options: { trashWindowMs: 365 * 24 * hourMs } })
    const { registry } = opened
    const model = new Model()
    const random = randomFrom(seed)
    const pick: Pick = (values) => {
      const all = [...values]
      return all[random(all.length)]
    }
    const done: string[] = []
    const names = [
      'push',
      'push',
      'push',
      'delete tag',
      'delete manifest',
      'delete manifest',
      'delete repository',
      'restore',
      'restore',
      'restore',
      'purge',
      'collect',
    ]
    for (let step = 0; step < steps; step++) {
      const deed = pick(names) ?? 'push'
      const what = await deeds[deed]?.({ opened, model, pick })
      if (what === undefined) continue
      done.push(`${deed} ${what}`)
      const [told, expected] = [await toldByRegistry(opened), toldByModel(model)]
      assert.deepEqual(told, expected, `seed ${seed}, step ${step}:\n${done.join('\n')}`)
    }
    const lives = [...model.live.values()]
    const used = await usageIn(registry.metadata.reader, systemScope)
    const sum = (of: (life: Life) => number) => lives.reduce((total, life) => total + of(life), 0)
    assert.deepEqual(
      [used.repositories, used.manifests, used.tags],
      [lives.length, sum(({ manifests }) => manifests.size), sum(({ tags }) => tags.size)],
    )
    assert.deepEqual(await checkInvariants(opened.parts), [], done.join('\n'))
  })
}
