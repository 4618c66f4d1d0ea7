/** Queries on `robot_trusts`: which tokens of a workload provider may act as a robot. */
import { notInTrash } from './hidden-repositories.ts'
import type { Reader, Transactor } from './metadata.ts'
import { resolveProjectName } from './name-redirects.ts'

/** A trust with the names of what it binds. */
export interface RobotTrustRecord {
  readonly id: number
  readonly robotId: number
  readonly providerId: number
  readonly provider: string
  readonly audience: string
  /** Claim → pattern. */
  readonly claims: Readonly<Record<string, string>>
  readonly description: string
  readonly createdAt: number
}

function selectTrusts(reader: Reader | Transactor) {
  return reader
    .selectFrom('robot_trusts')
    .innerJoin('providers', 'providers.id', 'robot_trusts.provider_id')
    .select(['robot_trusts.id', 'robot_trusts.robot_id as robotId', 'robot_trusts.provider_id as providerId', 'providers.name as provider'])
    .select(['robot_trusts.audience', 'robot_trusts.claims', 'robot_trusts.description', 'robot_trusts.created_at as createdAt'])
    .orderBy('robot_trusts.id')
}

function recordOf(row: Omit<RobotTrustRecord, 'claims'> & { readonly claims: string }): RobotTrustRecord {
  return { ...row, claims: JSON.parse(row.claims) as Readonly<Record<string, string>> }
}

/** All of a robot: access/robot-trusts.ts bounds how many there are. */
export async function trustsOfRobot(reader: Reader | Transactor, robotId: number): Promise<RobotTrustRecord[]> {
  return (await selectTrusts(reader).where('robot_trusts.robot_id', '=', robotId).execute()).map(recordOf)
}

/** A trust together with what of its robot is asked when a token comes. */
export interface TrustedRobot extends RobotTrustRecord {
  readonly robotName: string
  readonly project: string | null
}

/** Trusts in a provider, `max` at most: of one robot (its project by the present or a former name), or of all when it is undefined. */
export async function trustsInProvider(
  reader: Reader,
  {
    providerId,
    robot,
    max,
  }: {
    readonly providerId: number
    readonly robot?: { readonly name: string; readonly project?: string | undefined }
    readonly max: number
  },
): Promise<TrustedRobot[]> {
  let query = selectTrusts(reader)
    .innerJoin('robots', 'robots.id', 'robot_trusts.robot_id')
    .leftJoin('projects', 'projects.id', 'robots.project_id')
    .select(['robots.name as robotName', 'projects.name as project'])
    .where('robot_trusts.provider_id', '=', providerId)
    .where(notInTrash('robots.project_id'))
  if (robot !== undefined) {
    query = query.where('robots.name', '=', robot.name)
    query =
      robot.project === undefined
        ? query.where('robots.project_id', 'is', null)
        : query.where('projects.name', '=', await resolveProjectName(reader, robot.project))
  }
  const rows = await query.limit(max).execute()
  return rows.map((row) => ({ ...recordOf(row), robotName: row.robotName, project: row.project }))
}

/** Adds a trust and gives its id. */
export async function insertTrust(
  tx: Transactor,
  trust: Omit<RobotTrustRecord, 'id' | 'provider' | 'createdAt'> & { readonly at: number },
): Promise<number> {
  const { id } = await tx
    .insertInto('robot_trusts')
    .values({
      robot_id: trust.robotId,
      provider_id: trust.providerId,
      audience: trust.audience,
      claims: JSON.stringify(trust.claims),
      description: trust.description,
      created_at: trust.at,
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}

/** True if the robot had such a trust. */
export async function deleteTrust(tx: Transactor, robotId: number, id: number): Promise<boolean> {
  const { numDeletedRows } = await tx.deleteFrom('robot_trusts').where('id', '=', id).where('robot_id', '=', robotId).executeTakeFirst()
  return numDeletedRows > 0n
}
