/** Saying when a tag is deleted by itself. features/expire-tags.ts does it. */
import type { Who } from '#events/event.ts'
import { recordEvent } from '#events/record.ts'
import { repositoryIdIn } from '#metadata/repositories.ts'
import { setTagExpiry, tagExpiry } from '#metadata/tag-expiry.ts'
import { tagTarget } from '#metadata/tags.ts'
import { transaction } from '#metadata/transaction.ts'
import type { Digest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'
import type { Registry } from './registry.ts'
import { requireWritable } from './require.ts'
import { noSuchTag } from './trash-words.ts'

/** Which tag, and until when it lives. */
export interface TagExpiryChange {
  readonly repository: RepositoryName
  readonly tag: Tag
  /** Milliseconds; undefined: it lives for ever. */
  readonly expiresAt: number | undefined
  /** Where the tag must point; undefined: anywhere. */
  readonly expectedDigest?: Digest | undefined
}

const expire = transaction(
  import.meta.url,
  'expire-tag/expire',
  async (tx, input: TagExpiryChange & { readonly who: Who; readonly now: number }): Promise<void> => {
    const { repository, tag, expiresAt, expectedDigest, now: at, who } = input
    const repositoryId = await repositoryIdIn(tx, repository)
    if (repositoryId === undefined) throw new RegistryError('NAME_UNKNOWN', { name: repository })
    const target = await tagTarget(tx, repositoryId, tag)
    if (target === undefined) throw noSuchTag(repository, tag)
    const { tagId, digest } = target
    if (expectedDigest !== undefined && digest !== expectedDigest) throw new RegistryError('PRECONDITION_FAILED')
    const before = await tagExpiry(tx, tagId)
    if (before === expiresAt) return
    await setTagExpiry(tx, tagId, expiresAt)
    const detail = { expiresAt: textOf(expiresAt), previousExpiresAt: textOf(before) }
    await recordEvent(tx, { action: 'tag.updated', repository, tag, digest, detail, at, ...who })
  },
)

function textOf(instant: number | undefined): string | null {
  return instant === undefined ? null : new Date(instant).toISOString()
}

/**
 * Throws `NAME_UNKNOWN`, `MANIFEST_UNKNOWN`, `REQUEST_INVALID` for a time that has passed (deleting takes another permission), `PRECONDITION_FAILED` when
 * it points elsewhere than expected.
 */
export async function expireTag(registry: Registry, change: TagExpiryChange, who: Who): Promise<void> {
  requireWritable(registry)
  const now = registry.context.ports.clock.now()
  if (change.expiresAt !== undefined && change.expiresAt <= now) {
    throw new RegistryError('REQUEST_INVALID', undefined, { message: 'expiresAt: this time has passed already: delete the tag instead' })
  }
  await registry.metadata.write(expire, { ...change, who, now })
}
