/** What the verbs of accounts, rights and providers take first: where rows are kept, and what their secrets are sealed with. */
import type { Logger } from '#lib/logger.ts'
import type { Ports } from '#lib/ports.ts'
import type { Metadata } from '#metadata/metadata.ts'
import type { SecretBox } from './secret-box.ts'

/** Handed to each verb; holds no state of its own. */
export interface Directory {
  readonly metadata: Metadata
  readonly ports: Ports
  readonly log: Logger
  readonly secrets: SecretBox
  /** Where htpasswd files lie that callers of the API may name (htpasswd-place.ts); undefined: nowhere. */
  readonly passwordFiles?: string | undefined
}
