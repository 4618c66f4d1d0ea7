/** What commands do with the data of an opened Berth, mostly beside a running server: each a few lines that call one room. */
import { operatorRights } from '#access/acting.ts'
import { operator, setPasswordAtConsole } from '#access/user-passwords.ts'
import { createUser } from '#access/users.ts'
import { startAnew, type FreshStart } from '#access/start-anew.ts'
import { resealSecrets as reseal, type ResealReport } from '#access/reseal.ts'
import type { Config } from '#config/config.ts'
import { databaseFileOf } from '#config/database-place.ts'
import { adoptRegistry2, type AdoptionOptions, type AdoptionParts, type AdoptionReport } from '#features/adopt.ts'
import { nothingToAdopt, requireRegistry2Layout } from '#features/adopt-place.ts'
import { exportRegistry2 as exportLayout, type ExportOptions, type ExportReport } from '#features/export-registry2.ts'
import {
  migrateStorageKind,
  planMigration,
  type MigrationPlan,
  type MigrationResult,
  type StorageMigration,
} from '#features/storage-migrate.ts'
import type { MoveCounts } from '#features/storage-move.ts'
import { readStores, type StoreState } from '#features/storage-overview.ts'
import { moveToColdKind, planCold, requireTiers } from '#features/storage-tiers.ts'
import { runInline, type InlineOptions } from '#jobs/run-inline.ts'
import type { Diagnosis } from '#features/doctor-check.ts'
import { examine } from '#features/doctor.ts'
import { checkHtpasswd } from '#features/doctor-files.ts'
import { scrub as scrubBlobs, type Scrub, type ScrubResult } from '#features/scrub.ts'
import * as accountRoutes from '#api/routes/users.ts'
import { garbageBody } from '#http/api/garbage.ts'
import { validated } from '#http/api/validate.ts'
import { systemPorts } from '#lib/ports.ts'
import { RegistryError } from '#oci/errors.ts'
import { collectGarbage as collect, type GarbageCollection, type GarbageReport } from '#registry/collect-garbage.ts'
import { readGarbageStatus as readStatus, type GarbageStatus } from '#registry/garbage-status.ts'
import { requireWritable } from '#registry/require.ts'
import { readWaitingUntagged as readWaiting, type WaitingUntagged } from '#registry/waiting-untagged.ts'
import { lookAtUsage, verifyUsageNow, type UsageVerification } from '#metadata/usage-verify.ts'
import { lockDatabase } from './serving-lock.ts'
import type { Berth } from './main.ts'

/** Adopts the data directory of registry:2 that the configuration names, without serving. Rejects for a store without a directory. */
export async function importRegistry2(berth: Berth, options: AdoptionOptions): Promise<AdoptionReport> {
  const parts = adoptionParts(berth)
  if (parts === undefined) throw nothingToAdopt()
  return adoptRegistry2(parts, options)
}

/** Throws where {@link importRegistry2} finds nothing, before {@link open} makes anything there. */
export const requireRegistry2 = ({ storage }: Config): Promise<void> => requireRegistry2Layout(systemPorts.files, storage.rootDirectory)

/** Writes everything into a directory that registry:2 can serve. */
export function exportRegistry2({ config, registry, context }: Berth, options: ExportOptions): Promise<ExportReport> {
  const { metadata, stores } = registry
  return exportLayout({ metadata, stores, rootDirectory: config.storage.rootDirectory, context }, options)
}

/** Deletes what nothing references any more. `immediately` waits for nobody, and so rejects while a server runs on the data. */
export async function collectGarbage({ config, registry }: Berth, options: GarbageCollection): Promise<GarbageReport> {
  const waitsForNobody = options.immediately === true && options.dryRun !== true
  if (waitsForNobody && config.database.driver === 'postgres')
    throw new RegistryError('UNSUPPORTED', undefined, {
      message: 'on PostgreSQL a collection cannot know that no server runs: let it wait for them, without --now',
    })
  const file = databaseFileOf(config.database)
  using _lock = waitsForNobody && file !== undefined ? lockDatabase(file) : undefined
  return await collect(registry, options)
}

/** What there is to free, and what the trash holds. */
export function readGarbageStatus({ registry }: Berth): Promise<GarbageStatus> {
  return readStatus(registry)
}

/** The same, as the API has it. */
export async function describeGarbage({ registry }: Berth): Promise<ReturnType<typeof garbageBody>> {
  return garbageBody(await readStatus(registry), await readWaiting(registry))
}

/** What a collection of untagged manifests does not take yet. */
export function readWaitingUntagged({ registry }: Berth): Promise<WaitingUntagged> {
  return readWaiting(registry)
}

/** Seals what is sealed under an older key under the first one of `secrets.keyfile`. Works beside a running server. */
export function resealSecrets({ directory }: Berth): Promise<ResealReport> {
  return reseal(directory)
}

/** Begins anew where the key of what is sealed is lost; says what does not open. */
export function startSecretsAnew({ config, directory }: Berth): Promise<FreshStart> {
  return startAnew(directory, config.tokens.algorithm)
}

/** Counts everything again and compares it with what is kept; `repair` sets right what is wrong. Works beside a running server, whose writes wait for a repair (on SQLite for both). */
export function verifyUsage({ registry }: Berth, options: { readonly repair: boolean }): Promise<UsageVerification> {
  return options.repair ? registry.metadata.write(verifyUsageNow, options) : registry.metadata.write(lookAtUsage, undefined)
}

/** Reads every blob and compares it with its digest. */
export function scrub({ registry }: Berth, options: Scrub): Promise<ScrubResult> {
  return scrubBlobs(registry, options)
}

/** Looks at what a registry of this configuration stands on, whether one runs or not. Changes nothing. */
export function examineInstallation(loaded: { readonly config: Config; readonly warnings: readonly string[] }): Promise<Diagnosis[]> {
  return examine({ ...loaded, ports: systemPorts })
}

/** What is to be known of the configuration's file of users, each a sentence; nothing where it is well, or there is none. */
export async function examineHtpasswd(config: Config): Promise<readonly string[]> {
  const found = await checkHtpasswd({ config, ports: systemPorts })
  return found.flatMap(({ verdict, message }) => (verdict === 'ok' ? [] : [message]))
}

/** What an account made at the console is made from. */
export interface ConsoleAccount {
  readonly name: string
  readonly displayName?: string | undefined
  readonly email?: string | undefined
  readonly isAdministrator: boolean
  /** None: an identity provider, or a password set later, opens it. */
  readonly password?: string | undefined
}

/** Makes an account past all rights, of what the API takes for one: whoever holds the data may. Works beside a running server. */
export async function createAccount({ registry, context }: Berth, account: ConsoleAccount): Promise<void> {
  const { name, isAdministrator, ...optional } = account
  const given = Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined))
  validated(accountRoutes.createUser.body, { name, isAdministrator, ...given }, 'body')
  const { displayName = '', email = '', ...rest } = account
  const parts = { metadata: registry.metadata, ports: context.ports }
  await createUser(parts, { displayName, email, ...rest }, { who: operator, rights: operatorRights })
}

/** Sets the password of an account and enables it, past all rights, for those who are locked out. Works beside a running server. */
export async function setAccountPassword(
  { registry, context }: Berth,
  change: { readonly name: string; readonly password: string },
): Promise<void> {
  validated(accountRoutes.resetUserPassword.body, { password: change.password }, 'body')
  await setPasswordAtConsole({ metadata: registry.metadata, ports: context.ports }, change)
}

/** What adopting works on; undefined for a store without a directory. */
export function adoptionParts({ config, registry, context }: Berth): AdoptionParts | undefined {
  const { rootDirectory, garbageDelayMs } = config.storage
  if (rootDirectory === undefined) return undefined
  const { metadata, store } = registry
  return { metadata, storeName: store.name, rootDirectory, garbageDelayMs, manifestBytes: config.limits.manifestBytes, context }
}

/** The stores that the configuration or a row names. */
export function readStorage({ config, registry }: Berth): Promise<StoreState[]> {
  return readStores(registry, config.storage)
}

interface DryRun extends InlineOptions {
  readonly dryRun: boolean
}

/** Empties a store into another here and now, beside a running server too; run again it goes on. With `dryRun` it counts what there is to move. */
export async function migrateStorage(
  { registry, jobs }: Berth,
  { migration, dryRun, ...listeners }: DryRun & { readonly migration: StorageMigration },
): Promise<MigrationPlan | MigrationResult> {
  const plan = await planMigration(registry, migration)
  if (dryRun) return plan
  requireWritable(registry)
  const payload = { ...migration, actor: operator.actor }
  return (await runInline(jobs, { kind: migrateStorageKind, payload }, listeners)) as MigrationResult
}

/** Moves what the rules of the tiers name to the cold store here and now. */
export async function moveToCold(
  { config, registry, jobs }: Berth,
  { dryRun, ...listeners }: DryRun,
): Promise<Pick<MigrationPlan, 'blobs' | 'bytes'> | MoveCounts> {
  const tiers = requireTiers(config.storage.tiers)
  if (dryRun) return await planCold(registry, tiers)
  requireWritable(registry)
  return (await runInline(jobs, { kind: moveToColdKind }, listeners)) as MoveCounts
}
