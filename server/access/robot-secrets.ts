/** Secrets of robots: several at once, so that one can be exchanged for another without a gap. */
import { recordEvent } from '#events/record.ts'
import { accessTransaction } from '#metadata/access-epoch.ts'
import type { Page, PageRequest } from '#metadata/page.ts'
import { countTokens, deleteToken, findTokenRecord, insertToken, listTokenRecords, type TokenRecord } from '#metadata/tokens.ts'
import { RegistryError } from '#oci/errors.ts'
import type { Acting } from './acting.ts'
import type { Directory } from './directory.ts'
import { requireAllGivable, requireRobot, targetOf, type By, type RobotAddress } from './robots.ts'
import { makeToken, type NewToken } from './token-format.ts'

const secretsPerRobotMax = 20

interface Addition extends RobotAddress {
  readonly name: string
  readonly expiresAt: number | null
  readonly secret: Pick<NewToken, 'hash' | 'hint'>
  readonly by: By
}

const add = accessTransaction(import.meta.url, 'robot-secrets/add', async (tx, { name, expiresAt, secret, by, ...address }: Addition) => {
  const robot = await requireRobot(tx, address)
  await requireAllGivable(tx, robot.id, by)
  const owner = { robotId: robot.id }
  if ((await countTokens(tx, owner, 'robot')) >= secretsPerRobotMax) {
    throw new RegistryError('CONFLICT', undefined, {
      message: `a robot has ${secretsPerRobotMax} secrets at most: revoke what is no longer used`,
    })
  }
  const row = { kind: 'robot', scopes: null, client: '', createdBy: by.who.actor, at: by.at } as const
  const id = await insertToken(tx, { ...row, owner, hash: secret.hash, hint: secret.hint, name, expiresAt })
  const detail = { hint: secret.hint, name, expiresAt }
  await recordEvent(tx, { action: 'robot.secret-added', ...targetOf(robot), detail, at: by.at, ...by.who })
  return id
})

/** Throws RESOURCE_UNKNOWN, DENIED and ELEVATION_REQUIRED when the robot may more than the caller, CONFLICT when it has enough of them. The secret is shown now or never. */
export async function addRobotSecret(
  { metadata, ports }: Directory,
  wanted: RobotAddress & { readonly name: string; readonly expiresAt: number | null },
  { who, ...giver }: Acting,
): Promise<{ readonly secret: string; readonly token: TokenRecord }> {
  const at = ports.clock.now()
  if (wanted.expiresAt !== null && wanted.expiresAt <= at) {
    const message = 'the end of the secret has passed already'
    throw new RegistryError('REQUEST_INVALID', [{ path: 'body/expiresAt', message }], { message })
  }
  const made = makeToken('robot', ports.random)
  const id = await metadata.write(add, { ...wanted, secret: { hash: made.hash, hint: made.hint }, by: { ...giver, at, who } })
  const token = await findTokenRecord(metadata.reader, { robotId: wanted.id }, id)
  if (token === undefined) throw new RegistryError('RESOURCE_UNKNOWN')
  return { secret: made.text, token }
}

/** A page of a robot's secrets: everything about them but themselves. Throws RESOURCE_UNKNOWN. */
export async function listRobotSecrets(
  { metadata }: Pick<Directory, 'metadata'>,
  address: RobotAddress,
  page: PageRequest<'createdAt'>,
): Promise<Page<TokenRecord>> {
  const robot = await requireRobot(metadata.reader, address)
  return await listTokenRecords(metadata.reader, { owner: { robotId: robot.id } }, page)
}

const revoke = accessTransaction(
  import.meta.url,
  'robot-secrets/revoke',
  async (tx, { secretId, by, ...address }: RobotAddress & { readonly secretId: number; readonly by: Omit<By, 'rights'> }) => {
    const robot = await requireRobot(tx, address)
    const secret = await findTokenRecord(tx, { robotId: robot.id }, secretId)
    if (secret === undefined) throw new RegistryError('RESOURCE_UNKNOWN')
    await deleteToken(tx, secretId)
    await recordEvent(tx, {
      action: 'robot.secret-revoked',
      ...targetOf(robot),
      detail: { id: secretId, hint: secret.hint, name: secret.name },
      at: by.at,
      ...by.who,
    })
  },
)

/** Ends a secret, and every bearer token that was given for it, at once. Throws RESOURCE_UNKNOWN. */
export async function revokeRobotSecret(
  { metadata, ports }: Directory,
  address: RobotAddress & { readonly secretId: number },
  { who }: Pick<Acting, 'who'>,
): Promise<void> {
  await metadata.write(revoke, { ...address, by: { at: ports.clock.now(), who } })
}
