/** Trusts: which tokens of a workload provider may act as a robot. Verified in workload.ts. */
import type { WorkloadSettings } from '#api/provider-settings.ts'
import { recordEvent } from '#events/record.ts'
import { accessTransaction } from '#metadata/access-epoch.ts'
import type { Transactor } from '#metadata/metadata.ts'
import { deleteTrust, insertTrust, trustsOfRobot, type RobotTrustRecord } from '#metadata/robot-trusts.ts'
import { updateRobotRow } from '#metadata/robots.ts'
import { workloadProviders } from '#metadata/workload-providers.ts'
import { RegistryError } from '#oci/errors.ts'
import type { Acting } from './acting.ts'
import { requireClaimRules, type ClaimRules } from './claim-rules.ts'
import type { Directory } from './directory.ts'
import { requireAllGivable, requireRobot, targetOf, type By, type RobotAddress } from './robots.ts'

const trustsPerRobotMax = 100
const providersMax = 1_000

/** What a trust is made from. */
export interface NewTrust {
  /** Name of an enabled provider of workload tokens. */
  readonly provider: string
  readonly audience: string
  readonly claims: ClaimRules
  readonly description: string
}

const add = accessTransaction(
  import.meta.url,
  'robot-trusts/add',
  async (tx: Transactor, { trust, by, ...address }: RobotAddress & { readonly trust: NewTrust; readonly by: By }) => {
    const robot = await requireRobot(tx, address)
    await requireAllGivable(tx, robot.id, by)
    const provider = (await workloadProviders(tx, providersMax)).find(({ name }) => name === trust.provider)
    if (provider === undefined) throw invalid('body/provider', `there is no enabled provider of workload tokens called ${trust.provider}`)
    requireClaimRules(trust.claims, JSON.parse(provider.settings) as WorkloadSettings)
    if ((await trustsOfRobot(tx, robot.id)).length >= trustsPerRobotMax) {
      throw new RegistryError('CONFLICT', undefined, { message: `a robot has ${trustsPerRobotMax} trusts at most` })
    }
    const { audience, claims, description } = trust
    const id = await insertTrust(tx, { robotId: robot.id, providerId: provider.id, audience, claims, description, at: by.at })
    const detail = { provider: provider.name, audience, claims }
    await recordEvent(tx, { action: 'robot.trust-added', ...targetOf(robot), detail, at: by.at, ...by.who })
    return id
  },
)

/** Throws RESOURCE_UNKNOWN, REQUEST_INVALID for rules that trust everybody, DENIED and ELEVATION_REQUIRED when the robot may more than the caller. */
export async function addRobotTrust(
  { metadata, ports }: Directory,
  wanted: RobotAddress & { readonly trust: NewTrust },
  { who, ...giver }: Acting,
): Promise<RobotTrustRecord> {
  const id = await metadata.write(add, { ...wanted, by: { ...giver, at: ports.clock.now(), who } })
  const made = (await trustsOfRobot(metadata.reader, wanted.id)).find((trust) => trust.id === id)
  if (made === undefined) throw new RegistryError('RESOURCE_UNKNOWN')
  return made
}

/** All of a robot. Throws RESOURCE_UNKNOWN. */
export async function listRobotTrusts(
  { metadata }: Pick<Directory, 'metadata'>,
  address: RobotAddress,
): Promise<readonly RobotTrustRecord[]> {
  const robot = await requireRobot(metadata.reader, address)
  return await trustsOfRobot(metadata.reader, robot.id)
}

const remove = accessTransaction(
  import.meta.url,
  'robot-trusts/remove',
  async (tx: Transactor, { trustId, by, ...address }: RobotAddress & { readonly trustId: number; readonly by: Omit<By, 'rights'> }) => {
    const robot = await requireRobot(tx, address)
    const trust = (await trustsOfRobot(tx, robot.id)).find(({ id }) => id === trustId)
    if (trust === undefined) throw new RegistryError('RESOURCE_UNKNOWN')
    await deleteTrust(tx, robot.id, trustId)
    // Another version of the robot ends the tokens that were issued to it, those for this trust among them.
    await updateRobotRow(tx, { id: robot.id, set: {}, at: by.at })
    const detail = { provider: trust.provider, audience: trust.audience, claims: trust.claims }
    await recordEvent(tx, { action: 'robot.trust-removed', ...targetOf(robot), detail, at: by.at, ...by.who })
  },
)

/** Throws RESOURCE_UNKNOWN. */
export async function removeRobotTrust(
  { metadata, ports }: Directory,
  address: RobotAddress & { readonly trustId: number },
  { who }: Pick<Acting, 'who'>,
): Promise<void> {
  await metadata.write(remove, { ...address, by: { at: ports.clock.now(), who } })
}

function invalid(path: string, message: string): RegistryError {
  return new RegistryError('REQUEST_INVALID', [{ path, message }], { message })
}
