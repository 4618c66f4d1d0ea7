/** Pointing a tag at a manifest that is here already, without pushing it again. */
import type { Who } from '#events/event.ts'
import { recordEvent } from '#events/record.ts'
import { reviewManifest } from '#metadata/garbage.ts'
import { manifestPayload, manifestsOfRepository, findManifest } from '#metadata/manifests.ts'
import { repositoryIdIn } from '#metadata/repositories.ts'
import { touchRepository } from '#metadata/repository-rows.ts'
import { pointTag } from '#metadata/tags.ts'
import { transaction } from '#metadata/transaction.ts'
import { tagsChanged } from '#metadata/usage.ts'
import type { Digest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'
import { requireMutable } from '#projects/immutable-tags.ts'
import { actorFrom } from './actor.ts'
import type { Registry } from './registry.ts'
import { requireWritable } from './require.ts'

/** Which tag at which manifest. */
export interface Tagging {
  readonly repository: RepositoryName
  readonly tag: Tag
  readonly digest: Digest
  /** False: the tag must not be there yet, or point there already. */
  readonly mayMove: boolean
  /** Where the tag must point until now; `anywhere`: it must be there. Undefined: it may be new. */
  readonly expectedDigest?: Digest | 'anywhere' | undefined
}

interface Pointing extends Tagging {
  readonly who: Who
  readonly now: number
  readonly reviewAfter: number
}

const point = transaction(
  import.meta.url,
  'tag-manifest/point',
  async (tx, input: Pointing): Promise<'created' | 'moved' | 'unchanged'> => {
    const { repository, tag, digest, now, who } = input
    const repositoryId = await repositoryIdIn(tx, repository)
    if (repositoryId === undefined) throw new RegistryError('NAME_UNKNOWN', { name: repository })
    const manifestId = (await manifestsOfRepository(tx, repositoryId, [digest])).get(digest)
    if (manifestId === undefined) throw new RegistryError('MANIFEST_UNKNOWN', { digest })
    const previous = await pointTag(tx, { repositoryId, tag, now, actor: who.actor }, { manifestId, digest })
    const before = previous === 'unchanged' ? digest : previous === 'new' ? undefined : previous.digest
    // Nothing is written when this is thrown.
    if (!isExpected(before, input.expectedDigest)) throw new RegistryError('PRECONDITION_FAILED')
    if (previous === 'unchanged') return previous
    if (previous !== 'new') {
      if (!input.mayMove) throw new RegistryError('DENIED', { tag }, { message: 'the tag is there, and you may not move tags' })
      await requireMutable(tx, { repository, tags: [tag], act: 'move' })
      await reviewManifest(tx, previous.manifestId, { since: now, reviewAfter: input.reviewAfter })
    }
    if (previous === 'new') await tagsChanged(tx, repositoryId, 1)
    await touchRepository(tx, repositoryId, now)
    const detail = previous === 'new' ? {} : { previousDigest: previous.digest }
    await recordEvent(tx, { action: 'tag.moved', repository, tag, digest, detail, at: now, ...who })
    return previous === 'new' ? 'created' : 'moved'
  },
)

function isExpected(before: Digest | undefined, expected: Tagging['expectedDigest']): boolean {
  return expected === undefined || (expected === 'anywhere' ? before !== undefined : before === expected)
}

/**
 * Those who have a say in a push are asked as for one. Throws `NAME_UNKNOWN`, `MANIFEST_UNKNOWN`, `DENIED` when the tag is there and may not be moved,
 * `TAG_IMMUTABLE` when a rule keeps it, `PRECONDITION_FAILED` when it points elsewhere than expected, and what the admission checks throw.
 */
export async function tagManifest(registry: Registry, tagging: Tagging, who: Who): Promise<'created' | 'moved' | 'unchanged'> {
  requireWritable(registry)
  await registry.store.requireThere()
  await admit(registry, tagging, who)
  const now = registry.context.ports.clock.now()
  return await registry.metadata.write(point, { ...tagging, who, now, reviewAfter: now + registry.options.garbageDelayMs })
}

async function admit(registry: Registry, { repository, tag, digest }: Tagging, who: Who): Promise<void> {
  const checks = registry.hooks.admission.filter(({ operations }) => operations.includes('push'))
  if (checks.length === 0) return
  const { reader } = registry.metadata
  const facts = await findManifest(reader, repository, { kind: 'digest', digest })
  if (facts === 'no-repository') throw new RegistryError('NAME_UNKNOWN', { name: repository })
  const bytes = facts && (registry.memory.contents.get(digest) ?? (await manifestPayload(reader, facts.manifestId)))
  if (facts === undefined || bytes === undefined) throw new RegistryError('MANIFEST_UNKNOWN', { digest })
  const manifest = await registry.context.parser.parse(bytes, facts.mediaType)
  const actor = actorFrom(who)
  for (const check of checks) await check.check({ operation: 'push', repository, digest, tags: [tag], manifest, actor })
}
