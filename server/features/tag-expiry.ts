/**
 * Tags that say themselves when they expire, by a label or an annotation (oci/expiry.ts).
 *
 * The problem: reading the config of everything that is pushed is not for the push to wait for, and nothing may be missed over a restart. The way: the
 * committed `tag.moved` events are read at their own pace, from the one after the last that was done with; that place is kept in the same transaction
 * as the expiry that an event led to, so that none is set twice, which would undo what somebody decided in between. An event is tried until the
 * database and the store answer.
 */
import type { ActivityStream } from '#events/dispatch.ts'
import type { RecordedEvent } from '#events/event.ts'
import { newestEventId } from '#metadata/events.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { findSetting, insertSetting, putSetting } from '#metadata/settings.ts'
import { setTagExpiry, tagPointedAt } from '#metadata/tag-expiry.ts'
import { transaction } from '#metadata/transaction.ts'
import { digestToBytes, type Digest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'
import { readExpiry } from '#registry/read-expiry.ts'
import type { Registry } from '#registry/registry.ts'

const settingName = 'tag-expiry'
const retryMs = 5_000
/** How often the place is kept when nothing expires: so many events are looked at twice after a crash. */
const placeIntervalMs = 10_000

interface Wish {
  readonly repository: RepositoryName
  readonly tag: Tag
  readonly digest: Digest
  readonly pushedAt: number
  readonly expiresAt: number
  readonly eventId: number
}

const begin = transaction(import.meta.url, 'tag-expiry/begin', (tx, lastId: number) => insertSetting(tx, settingName, { lastId }))
const keepPlace = transaction(import.meta.url, 'tag-expiry/keep-place', (tx, lastId: number) => putSetting(tx, settingName, { lastId }))

const grant = transaction(import.meta.url, 'tag-expiry/grant', async (tx, wish: Wish): Promise<void> => {
  const { repository, tag, digest, pushedAt, expiresAt, eventId } = wish
  const tagId = await tagPointedAt(tx, { repository, tag, manifest: digestToBytes(digest), at: pushedAt })
  if (tagId !== undefined) await setTagExpiry(tx, tagId, expiresAt)
  await putSetting(tx, settingName, { lastId: eventId })
})

/** What reads the wishes. Disposing keeps its place. */
export interface TagExpiry extends AsyncDisposable {
  /** Id of the last `tag.moved` that was done with. */
  readonly lastId: number
}

/** Goes on where the process before ended; the first of all begins with what is pushed from now on. */
export async function startTagExpiry(registry: Registry, activity: ActivityStream): Promise<TagExpiry> {
  const { metadata, context } = registry
  const { ports, log } = context
  let lastId = await placeIn(metadata)
  let keptId = lastId
  let isKeeping = false
  const keep = async () => {
    if (lastId === keptId || isKeeping) return
    isKeeping = true
    const place = lastId
    try {
      await metadata.write(keepPlace, place)
      keptId = place
    } catch (error) {
      log.debug({ err: error }, 'the place of tag expiry cannot be kept: it is tried again')
    } finally {
      isKeeping = false
    }
  }
  const handle = async (event: RecordedEvent, signal: AbortSignal) => {
    const granted = event.action === 'tag.moved' && event.detail.restored !== true && (await consider(registry, event, signal))
    lastId = event.id
    if (granted) keptId = event.id
  }
  const subscription = await activity.subscribe(handle, { name: 'tag-expiry', after: lastId, actions: ['tag.moved'] })
  const timer = ports.timers.every(placeIntervalMs, () => void keep())
  return {
    get lastId() {
      return lastId
    },
    async [Symbol.asyncDispose]() {
      timer[Symbol.dispose]()
      await subscription[Symbol.asyncDispose]()
      await keep()
    },
  }
}

async function placeIn(metadata: Metadata): Promise<number> {
  // Of two processes that start at once, the place of one is kept.
  const kept = await findSetting(metadata.reader, settingName)
  if (kept === undefined) await metadata.write(begin, await newestEventId(metadata.reader))
  const place = (await findSetting(metadata.reader, settingName)) as { readonly lastId?: unknown } | undefined
  return Number.isSafeInteger(place?.lastId) ? (place?.lastId as number) : 0
}

/** True when an expiry was set, and the place kept with it. */
async function consider(
  registry: Registry,
  event: RecordedEvent & { readonly action: 'tag.moved' },
  signal: AbortSignal,
): Promise<boolean> {
  const { metadata, context } = registry
  const { repository, tag, digest, at: pushedAt, id: eventId } = event
  for (;;) {
    try {
      const expiresAt = await readExpiry(registry, { repository, digest, pushedAt })
      if (expiresAt === undefined) return false
      await metadata.write(grant, { repository, tag, digest, pushedAt, expiresAt, eventId })
      return true
    } catch (error) {
      // What is wrong with one image is so for ever; what is away comes back.
      if (!isAway(error)) throw error
      context.log.warn({ err: error, repository, tag }, 'when a tag expires cannot be read now: it is tried again')
      await context.ports.timers.sleep(retryMs, signal)
    }
  }
}

function isAway(error: unknown): boolean {
  return error instanceof RegistryError && error.status >= 500
}
