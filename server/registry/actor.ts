/** Who asks, in the forms that rows and events take. */
import type { Circumstances, Who } from '#events/event.ts'
import type { Actor } from './registry.ts'

/** Only what is said of an actor, whatever else the caller's object holds: what transactions take must be cloneable. */
export function plainActor({ name, requestId, key, credential, address, userAgent }: Actor): Actor {
  return { name, requestId, key, credential, address, userAgent }
}

/** What an event records of who did it and when. `now` is in milliseconds. */
export function circumstancesOf({ name, requestId, key, credential, address, userAgent }: Actor, now: number): Circumstances {
  return { at: now, actor: name, requestId, actorKey: key, credential, address, userAgent }
}

/** The actor that a record speaks of. */
export function actorFrom({ actor, requestId, actorKey, credential, address, userAgent }: Who): Actor {
  return { name: actor, requestId, key: actorKey, credential, address, userAgent }
}
