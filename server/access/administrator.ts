/** The administrator that the first start makes. */
import type { Ports } from '#lib/ports.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { transaction } from '#metadata/transaction.ts'
import { hasUsers, insertFirstAdministrator } from '#metadata/users.ts'
import { ensureLocalProvider } from './local-provider.ts'
import { generatePassword, hashPassword } from './password.ts'

/** The account that was just made, with its generated password in plain text, for the operator's eyes. */
export interface NewAdministrator {
  readonly name: string
  /** Nowhere stored in this form: show it now. */
  readonly password: string
}

const administratorName = 'admin'

const insertAdministrator = transaction(
  import.meta.url,
  'administrator/insert',
  (tx, user: { readonly name: string; readonly passwordHash: string; readonly at: number }) => insertFirstAdministrator(tx, user),
)

/** Makes the account in a database that has none, and the row of local accounts. Undefined when there is one, or another process was faster. */
export async function ensureAdministrator(
  metadata: Metadata,
  { clock, random }: Pick<Ports, 'clock' | 'random'>,
): Promise<NewAdministrator | undefined> {
  await ensureLocalProvider(metadata, clock)
  if (await hasUsers(metadata.reader)) return undefined
  const password = generatePassword(random)
  const passwordHash = await hashPassword(password, random)
  const outcome = await metadata.write(insertAdministrator, { name: administratorName, passwordHash, at: clock.now() })
  return outcome === 'exists' ? undefined : { name: administratorName, password }
}
