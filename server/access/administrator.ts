/** The administrator that the first start makes. */
import type { Ports } from '#lib/ports.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { transaction } from '#metadata/transaction.ts'
import { hasUsers, isUserNameTaken, insertFirstAdministrator } from '#metadata/users.ts'
import { ensureLocalProvider } from './local-provider.ts'
import { generatePassword, hashPassword } from './password.ts'

/** The account that was just made, with its generated password in plain text, for the operator's eyes. */
export interface NewAdministrator {
  readonly name: string
  /** Nowhere stored in this form: show it now. */
  readonly password: string
}

/** The second where a user of an htpasswd file has the first. */
const administratorNames = ['admin', 'administrator', 'berth-admin']

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
  const name = await firstFree(metadata)
  const password = generatePassword(random)
  const passwordHash = await hashPassword(password, random)
  const outcome = await metadata.write(insertAdministrator, { name, passwordHash, at: clock.now() })
  return outcome === 'exists' ? undefined : { name, password }
}

async function firstFree({ reader }: Metadata): Promise<string> {
  for (const name of administratorNames) if (!(await isUserNameTaken(reader, name))) return name
  return `admin-${administratorNames.length}`
}
