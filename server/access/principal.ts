/** Who asks, and by what right. */
import { noRights, type Rights } from './decide.ts'

/** How somebody proved who they are; `id` is the row of the credential, where it has one. */
export interface Credential {
  readonly kind: 'none' | 'password' | 'personal' | 'robot' | 'bearer' | 'session' | 'certificate' | 'workload'
  readonly id?: number
}

/** Who asks. Compared by `key`; `name` is for people, logs and history. */
export interface Principal {
  /** Stable and unambiguous: `user:12`, `robot:7`, `external:alice` (of an outside token server); empty for anonymous. */
  readonly key: string
  /** Empty for anonymous. */
  readonly name: string
  readonly kind: 'anonymous' | 'user' | 'robot' | 'external'
  readonly isAnonymous: boolean
  readonly credential: Credential
  readonly rights: Rights
  /** The password was checked for this very request, not remembered from one before. */
  readonly isPasswordFresh?: boolean
  /** Of the account's row, for `user` and `robot`. */
  readonly id?: number
}

/** Somebody without an account, with the rights that are everyone's. */
export function anonymousPrincipal(rights: Rights = noRights, credential: Credential = { kind: 'none' }): Principal {
  return { key: '', name: '', kind: 'anonymous', isAnonymous: true, credential, rights }
}
