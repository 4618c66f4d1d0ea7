/** The caller as the verbs of accounts and rights want it. */
import type { Acting } from '#access/acting.ts'
import type { Principal } from '#access/principal.ts'
import type { Caller } from './serve-route.ts'

/** Who it is, for the log, and what they may give away. */
export function actingOf({ principal, who }: { readonly principal: Principal; readonly who: Caller }): Acting {
  return { who, rights: principal.rights }
}
