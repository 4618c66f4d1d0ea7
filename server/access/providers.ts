/**
 * Identity providers: making, reading, changing, ordering and removing them.
 *
 * Who may change a provider may become anybody whom it vouches for, so its permissions are an administrator's. Secrets are sealed here and never given
 * back; one that would go somewhere else after a change (another server, no TLS) is forgotten unless it is given again. No change may leave all
 * administrators outside. To add a kind of provider: its settings in api/provider-settings.ts, and what asks it in this room.
 */
import type { HtpasswdSettings, ProviderKind, ProviderSettings } from '#api/provider-settings.ts'
import { secretMembers } from '#api/provider-settings.ts'
import { recordEvent } from '#events/record.ts'
import type { Who } from '#events/event.ts'
import { accessTransaction } from '#metadata/access-epoch.ts'
import type { Reader, Transactor } from '#metadata/metadata.ts'
import {
  administratorsOf,
  completeProvider,
  deleteProviderRow,
  disableAccountsOnlyOf,
  endSessionsOfProvider,
  hasReachableAdministrator,
  insertProvider,
  listProviderRecords,
  orderProviders,
  providerDependents,
  providerRecord,
  updateProviderRow,
  type ProviderChanges,
  type ProviderInput,
  type ProviderRecord,
} from '#metadata/providers.ts'
import { updateUserRow } from '#metadata/users.ts'
import { RegistryError } from '#oci/errors.ts'
import { requireVersion } from './acting.ts'
import type { Directory } from './directory.ts'
import {
  changedSecrets,
  checkInput,
  checkKeys,
  checkMeaning,
  completeSettings,
  leadsElsewhere,
  mergedSettings,
  secretsOf,
  type ProviderSecrets,
} from './provider-settings.ts'
import { followGroups, type GroupsFollowed } from './follow-groups.ts'
import { contextOf, openSecrets } from './provider-secrets.ts'
import { requireOwn } from './htpasswd-configured.ts'
import { keepLeftAccounts, relinkLeftAccounts } from './htpasswd-left.ts'
import { readFileOf } from './htpasswd-place.ts'

/** A provider as people see it: `settings` has `hasBindPassword` and the like in place of secrets. */
export type Provider = Omit<ProviderRecord, 'secrets'>

/** All are read at once wherever providers are looked at. */
const providersMax = 100
const nameGrammar = /^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$/

/** All, in the order in which they are asked. */
export async function listProviders(directory: Directory): Promise<readonly Provider[]> {
  return (await listProviderRecords(directory.metadata.reader)).map((record) => present(directory, record))
}

/** Throws RESOURCE_UNKNOWN when there is none of that name. */
export async function readProvider(directory: Directory, name: string): Promise<Provider> {
  return present(directory, await requireProvider(directory.metadata.reader, name))
}

function present(directory: Directory, { secrets: _sealed, ...record }: ProviderRecord): Provider {
  const secrets = openSecrets(directory, { ...record, secrets: _sealed })
  const has = secretMembers[record.kind].map((name) => [
    `has${name.slice(0, 1).toUpperCase()}${name.slice(1)}`,
    secrets[name] !== undefined,
  ])
  return { ...record, settings: { ...record.settings, ...(Object.fromEntries(has) as Readonly<Record<string, boolean>>) } }
}

/** What a provider is made from. `settings` are as a caller sends them. */
export interface NewProvider {
  readonly name: string
  readonly kind: ProviderKind
  readonly title: string
  readonly isEnabled: boolean
  readonly settings: unknown
}

const insertNew = accessTransaction(
  import.meta.url,
  'providers/insert',
  async (tx: Transactor, { who, ...input }: ProviderInput & { readonly who: Who }): Promise<number> => {
    if ((await listProviderRecords(tx)).length >= providersMax)
      throw new RegistryError('CONFLICT', undefined, { message: `there may be ${providersMax} providers at most` })
    await requireOwnIssuer(tx, input)
    const id = await insertProvider(tx, input)
    if (id === 'exists') throw new RegistryError('CONFLICT', { name: input.name }, { message: 'a provider of this name exists' })
    const { name, kind, isEnabled, at } = input
    await recordEvent(tx, { action: 'provider.created', target: `provider:${name}`, detail: { kind, isEnabled }, at, ...who })
    if (kind === 'htpasswd') await relinkLeftAccounts(tx, { id, name }, { at, who })
    return id
  },
)

interface Completion {
  readonly id: number
  readonly name: string
  readonly secrets: Uint8Array
  readonly isEnabled: boolean
  readonly at: number
  readonly who: Who
}

/** Of its own on record: a crash before it leaves a provider that is off, as the record of its making says. */
const completeNew = accessTransaction(
  import.meta.url,
  'providers/complete',
  async (tx: Transactor, { id, name, secrets, isEnabled, at, who }: Completion) => {
    await completeProvider(tx, { id, secrets, isEnabled })
    const detail = { changed: ['secrets', ...(isEnabled ? ['isEnabled'] : [])], isEnabled }
    await recordEvent(tx, { action: 'provider.updated', target: `provider:${name}`, detail, at, ...who })
  },
)

/**
 * Whose keys a workload's token is checked with is told by its issuer alone: with two providers of one, nobody comes in by either. And a person is their
 * (issuer, subject): by two providers of one issuer they would be two accounts, with the rights of one or the other. Throws CONFLICT.
 */
async function requireOwnIssuer(
  tx: Transactor,
  { name, kind, settings }: Pick<ProviderInput, 'name' | 'kind' | 'settings'>,
): Promise<void> {
  if (kind !== 'workload' && kind !== 'oidc') return
  const issuer = issuerOf(settings)
  const other = (await listProviderRecords(tx)).find(
    (each) => each.kind === kind && each.name !== name && issuerOf(each.settings) === issuer,
  )
  if (other === undefined) return
  const message = `the provider ${other.name} is for this issuer already: change that one, or delete it first`
  const why = kind === 'oidc' ? ' (accounts are linked by issuer and subject: by two providers a person would have two)' : ''
  throw new RegistryError('CONFLICT', { provider: other.name }, { message: `${message}${why}` })
}

/** Undefined for settings without one. As a URL is read, so that capitals, dots or a needless port in it make no other issuer of it. */
function issuerOf(settings: unknown): string | undefined {
  const { issuer } = settings as { readonly issuer?: string }
  return issuer === undefined ? undefined : (URL.parse(issuer)?.href ?? issuer)
}

/** Throws REQUEST_INVALID for name and settings, CONFLICT when the name or the issuer is taken. */
export async function createProvider(directory: Directory, input: NewProvider, { who }: { readonly who: Who }): Promise<Provider> {
  const { metadata, ports } = directory
  const { name, kind, title, isEnabled } = input
  if (!nameGrammar.test(name) || kind === 'local') throw refusedName(kind)
  const checked = checkInput(kind, input.settings)
  const settings = completeSettings(kind, checked)
  await checkMeaning(kind, settings)
  await checkKeys(kind, settings)
  await checkFile(directory, kind, settings)
  const secrets = changedSecrets({}, secretsOf(kind, checked), false)
  const hasSecrets = Object.keys(secrets).length > 0
  // The seal is bound to the id, which is known only now: until then the provider is off.
  const id = await metadata.write(insertNew, {
    name,
    kind,
    title,
    isEnabled: isEnabled && !hasSecrets,
    settings,
    at: ports.clock.now(),
    who,
  })
  if (hasSecrets)
    await metadata.write(completeNew, { id, name, secrets: seal(directory, id, secrets), isEnabled, at: ports.clock.now(), who })
  return await readProvider(directory, name)
}

function seal({ secrets }: Directory, id: number, values: ProviderSecrets): Buffer {
  return secrets.seal(JSON.stringify(values), contextOf(id))
}

function refusedName(kind: ProviderKind): RegistryError {
  const message =
    kind === 'local'
      ? 'there is one provider of local accounts, and it is there'
      : 'a name of a provider has 1 to 64 lower-case letters and digits, with . _ - between them'
  return new RegistryError('REQUEST_INVALID', [{ path: '/name', message }], { message })
}

/** What is to change. `settings` has the members that change; `position` counts from 1. */
export interface ProviderUpdate {
  readonly name: string
  readonly expectedVersion: number | undefined
  readonly set: {
    readonly title?: string | undefined
    readonly isEnabled?: boolean | undefined
    readonly position?: number | undefined
    readonly settings?: unknown
  }
}

interface ChangeInput {
  readonly name: string
  readonly version: number
  readonly set: ProviderChanges
  readonly position: number | undefined
  readonly changed: readonly string[]
  readonly at: number
  readonly who: Who
}

async function change(tx: Transactor, { name, version, set, position, changed, at, who }: ChangeInput): Promise<void> {
  const before = await requireProvider(tx, name)
  requireOwn(before)
  requireVersion(before, version)
  if (set.settings !== undefined && issuerOf(set.settings) !== issuerOf(before.settings)) {
    await requireOwnIssuer(tx, { name, kind: before.kind, settings: set.settings })
  }
  let followed: GroupsFollowed | undefined
  await keepingAdministrators(tx, async () => {
    await updateProviderRow(tx, { id: before.id, set, at })
    followed = await followGroups(tx, { provider: before, settings: set.settings, at, who })
  })
  if (set.isEnabled === false && before.isEnabled) await endSessionsOfProvider(tx, before.id)
  if (position !== undefined) await moveTo(tx, before.id, position)
  const detail = { changed, ...(set.isEnabled === undefined ? {} : { isEnabled: set.isEnabled }), ...followed }
  await recordEvent(tx, { action: 'provider.updated', target: `provider:${name}`, detail, at, ...who })
}

const changeProvider = accessTransaction(import.meta.url, 'providers/change', change)
const attemptsMax = 3

/** Throws REQUEST_INVALID for settings, PRECONDITION_FAILED for another version, CONFLICT when no administrator could sign in afterwards. */
export async function updateProvider(directory: Directory, update: ProviderUpdate, { who }: { readonly who: Who }): Promise<Provider> {
  const { metadata, ports } = directory
  const { name, expectedVersion, set } = update
  for (let attempt = 1; ; attempt++) {
    const before = await requireProvider(metadata.reader, name)
    requireOwn(before)
    requireVersion(before, expectedVersion)
    const { changes, changed } = await changesOf(directory, before, set)
    try {
      const input = { name, version: before.version, set: changes, position: set.position, changed, at: ports.clock.now(), who }
      await metadata.write(changeProvider, input)
      return await readProvider(directory, name)
    } catch (error) {
      // Without an expected version somebody else's change in between is no reason to refuse: this one is laid over it.
      const isRace = error instanceof RegistryError && error.code === 'PRECONDITION_FAILED' && expectedVersion === undefined
      if (!isRace || attempt >= attemptsMax) throw error
    }
  }
}

async function changesOf(
  directory: Directory,
  before: ProviderRecord,
  { title, isEnabled, position, settings: input }: ProviderUpdate['set'],
): Promise<{ readonly changes: ProviderChanges; readonly changed: readonly string[] }> {
  const plain = Object.entries({ title, isEnabled, position }).flatMap(([name, value]) => (value === undefined ? [] : [name]))
  if (input === undefined) return { changes: { title, isEnabled }, changed: plain }
  const { kind } = before
  const checked = checkInput(kind, input, { mayLack: true })
  const settings: ProviderSettings = mergedSettings(kind, before.settings, checked)
  await checkMeaning(kind, settings)
  await checkKeys(kind, settings)
  await checkFile(directory, kind, settings)
  const known = openSecrets(directory, before)
  const secrets = changedSecrets(
    known,
    secretsOf(kind, checked),
    leadsElsewhere(kind, before.settings, settings as Readonly<Record<string, unknown>>),
  )
  const sealed = Object.keys(secrets).length === 0 ? null : seal(directory, before.id, secrets)
  const lost = Object.keys(known).filter((name) => secrets[name] === undefined && checked[name] === undefined)
  const changed = [
    ...plain,
    ...Object.keys(checked).map((name) => `settings.${name}`),
    ...lost.map((name) => `settings.${name} (forgotten)`),
  ]
  return { changes: { title, isEnabled, settings, secrets: sealed }, changed }
}

async function moveTo(tx: Transactor, id: number, position: number): Promise<void> {
  const ids = (await listProviderRecords(tx)).map((record) => record.id).filter((each) => each !== id)
  await orderProviders(tx, ids.toSpliced(position - 1, 0, id))
}

/** Throws CONFLICT when there was an administrator who could sign in and after `work` there is none: nothing is written then. */
async function keepingAdministrators(tx: Transactor, work: () => Promise<void>): Promise<void> {
  const before = await hasReachableAdministrator(tx)
  await work()
  if (!before || (await hasReachableAdministrator(tx))) return
  const message = 'no administrator could sign in any more: first let one sign in by another provider, or make one with a password'
  throw new RegistryError('CONFLICT', undefined, { message })
}

/** Which provider, and whether what depends on it may go with it. */
export interface ProviderDeletion {
  readonly name: string
  readonly expectedVersion: number | undefined
  readonly force: boolean
}

async function remove(tx: Transactor, input: ProviderDeletion & { readonly at: number; readonly who: Who }): Promise<void> {
  const { name, expectedVersion, force, at, who } = input
  const before = await requireProvider(tx, name)
  requireOwn(before)
  requireVersion(before, expectedVersion)
  if (before.kind === 'local')
    throw new RegistryError('CONFLICT', undefined, { message: 'local accounts cannot be deleted as a whole: switch them off' })
  const dependents = await providerDependents(tx, before.id)
  const { accounts, trusts, grants } = dependents
  if (!force && accounts + trusts + grants > 0) {
    const message = `${counted(accounts, 'account')}, ${counted(trusts, 'robot trust')} and ${counted(grants, 'grant')} to its groups depend on this provider: switch it off, or repeat with force`
    throw new RegistryError('CONFLICT', dependents, { message })
  }
  let disabledAccounts = 0
  await keepingAdministrators(tx, async () => {
    await takeFlagsBack(tx, before.id, at)
    if (before.kind === 'htpasswd') disabledAccounts = await keepLeftAccounts(tx, before, at)
    else disabledAccounts = await disableAccountsOnlyOf(tx, { providerId: before.id, at })
    await deleteProviderRow(tx, before.id)
  })
  const detail = { kind: before.kind, ...dependents, disabledAccounts }
  await recordEvent(tx, { action: 'provider.deleted', target: `provider:${name}`, detail, at, ...who })
}

/** Administrators that the provider made are none without it. */
async function takeFlagsBack(tx: Transactor, providerId: number, at: number): Promise<void> {
  for (const { userId, attributes } of await administratorsOf(tx, providerId)) {
    const { gaveAdministrator } = JSON.parse(attributes) as { readonly gaveAdministrator?: unknown }
    if (gaveAdministrator === true) await updateUserRow(tx, { id: userId, set: { isAdmin: false }, at })
  }
}

const removeProvider = accessTransaction(import.meta.url, 'providers/remove', remove)

/** Throws CONFLICT when something depends on it and `force` is not said, and when no administrator could sign in afterwards. */
export async function deleteProvider(
  { metadata, ports }: Directory,
  deletion: ProviderDeletion,
  { who }: { readonly who: Who },
): Promise<void> {
  await metadata.write(removeProvider, { ...deletion, at: ports.clock.now(), who })
}

async function requireProvider(reader: Reader | Transactor, name: string): Promise<ProviderRecord> {
  const record = await providerRecord(reader, name)
  if (record === undefined) throw new RegistryError('RESOURCE_UNKNOWN')
  return record
}

async function checkFile(directory: Directory, kind: ProviderKind, settings: ProviderSettings): Promise<void> {
  if (kind === 'htpasswd') await readFileOf(directory, settings as HtpasswdSettings)
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
