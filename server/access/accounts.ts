/** Accounts as principals: rows of people and robots, and what they may, remembered until the access epoch changes. */
import { findRobotFacts, findUserFacts, type RobotFacts, type UserFacts } from '#metadata/account-facts.ts'
import type { Reader } from '#metadata/metadata.ts'
import { resolveProjectName } from '#metadata/name-redirects.ts'
import { RegistryError } from '#oci/errors.ts'
import type { Right } from './decide.ts'
import { EpochMemory, type AccessEpoch } from '#metadata/watch-access.ts'
import type { SignInHooks } from './hooks.ts'
import { networksOf, type Networks } from './networks.ts'
import { anonymousPrincipal, type Credential, type Principal } from './principal.ts'
import { formatRobotName, parseRobotName } from './robot-name.ts'
import { refused } from './refused-credential.ts'
import type { RightsBook } from './rights.ts'

const rememberedAccounts = 10_000

/** A robot with its networks ready to be asked; undefined: from anywhere. */
export interface KnownRobot extends RobotFacts {
  readonly networks: Networks | undefined
}

/** How somebody came in: the credential, and what it allows at most. */
export interface Entrance {
  readonly credential: Credential
  readonly limits?: readonly Right[] | undefined
}

/** Looks accounts up. One per process. */
export class AccountBook {
  readonly #reader: Reader
  readonly #rights: RightsBook
  readonly #users: EpochMemory<UserFacts>
  readonly #robots: EpochMemory<KnownRobot>
  /** Name of a project, as it may have been → as it is now. */
  readonly #places: EpochMemory<string>
  readonly #keepFresh: SignInHooks['keepFresh']

  constructor(reader: Reader, epoch: AccessEpoch, rights: RightsBook, keepFresh?: SignInHooks['keepFresh']) {
    this.#keepFresh = keepFresh
    this.#reader = reader
    this.#rights = rights
    this.#users = new EpochMemory(epoch, 2 * rememberedAccounts)
    this.#robots = new EpochMemory(epoch, rememberedAccounts)
    this.#places = new EpochMemory(epoch, rememberedAccounts)
  }

  async user(by: { readonly name: string } | { readonly id: number }): Promise<UserFacts | undefined> {
    const key = 'name' in by ? `name:${by.name}` : `id:${by.id}`
    return await this.#users.get(key, () => findUserFacts(this.#reader, by))
  }

  async robot(id: number): Promise<KnownRobot | undefined> {
    return await this.#robots.get(String(id), async () => {
      const facts = await findRobotFacts(this.#reader, id)
      if (facts === undefined) return undefined
      return { ...facts, networks: facts.allowedAddresses.length === 0 ? undefined : networksOf(facts.allowedAddresses) }
    })
  }

  /** Whether a name that was given at sign-in is this robot's, in Berth's form or in Harbor's, by the present name of its project or a former one. */
  async isNameOfRobot(given: string, robot: Pick<RobotFacts, 'name' | 'projectName'>): Promise<boolean> {
    const parsed = parseRobotName(given)
    if (parsed?.name !== robot.name) return false
    const { project } = parsed
    if (project === robot.projectName) return true
    if (project === undefined || robot.projectName === undefined) return false
    return (await this.#places.get(project, () => resolveProjectName(this.#reader, project))) === robot.projectName
  }

  /** Throws UNAUTHORIZED for a disabled account, UNAVAILABLE when a directory that it comes from must be asked and cannot. */
  async personPrincipal({ id }: UserFacts, { credential, limits }: Entrance): Promise<Principal> {
    await this.#keepFresh?.(id)
    // A directory may just have said that the person is gone.
    const user = await this.user({ id })
    if (user === undefined || user.isDisabled)
      throw refused({ why: user === undefined ? 'gone-account' : 'disabled-account', credential, owner: user && `user:${user.name}` })
    const rights = { isAdministrator: user.isAdmin, rights: await this.#rights.ofUser(user.id), limits }
    return { key: `user:${user.id}`, name: user.name, kind: 'user', isAnonymous: false, credential, rights, id: user.id }
  }

  /** Throws UNAUTHORIZED for a robot that is disabled or has ended, ADDRESS_DENIED for one that is not let in from there. */
  async robotPrincipal(robot: KnownRobot, entrance: Entrance, at: { readonly now: number; readonly address: string }): Promise<Principal> {
    const name = formatRobotName({ name: robot.name, project: robot.projectName })
    if (robot.isDisabled || (robot.expiresAt !== undefined && robot.expiresAt <= at.now)) {
      const why = robot.isDisabled ? 'disabled-account' : 'ended-account'
      throw refused({ why, credential: entrance.credential, owner: targetOfRobot(robot) })
    }
    if (robot.networks?.includes(at.address) === false) throw refusedAddress(robot, name, at.address)
    const rights = { isAdministrator: false, rights: await this.#rights.ofRobot(robot.id), limits: entrance.limits }
    return { key: `robot:${robot.id}`, name, kind: 'robot', isAnonymous: false, credential: entrance.credential, rights, id: robot.id }
  }

  /** Whoever shows no credential, or a token that was given to nobody. */
  async anonymous(entrance?: Entrance): Promise<Principal> {
    const rights = { isAdministrator: false, rights: await this.#rights.ofAnyone(), limits: entrance?.limits }
    return anonymousPrincipal(rights, entrance?.credential)
  }
}

/** A robot as records name it. */
export function targetOfRobot({ name, projectName }: Pick<RobotFacts, 'name' | 'projectName'>): string {
  return `robot:${formatRobotName({ name, project: projectName })}`
}

function refusedAddress({ projectName }: KnownRobot, name: string, address: string): RegistryError {
  const keeper = projectName === undefined ? 'the registry' : `project ${projectName}`
  const message = `${name} may not be used from ${address === '' ? 'this address' : address}: administrators of ${keeper} set its addresses`
  return new RegistryError('ADDRESS_DENIED', undefined, { message })
}

/** Whether nobody but a robot may be called so. */
export function looksLikeRobot(name: string): boolean {
  return /^robot[-$]/i.test(name)
}
