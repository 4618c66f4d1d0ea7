/**
 * Trying a provider out, saved or not: each step with its outcome in words, so that whoever sets one up sees where it ends.
 *
 * What other servers answer is never repeated, only what it means. A stored secret is used for unsaved settings only where a change of these settings
 * would keep it. A person's password is tried at the pace at which it could be tried to sign in: a test is no way around the back-off, and the record says whose
 * password it was and how it ended.
 */
import type {
  HtpasswdSettings,
  LdapSettings,
  OidcSettings,
  ProviderKind,
  ProviderSettings,
  WorkloadSettings,
} from '#api/provider-settings.ts'
import type { Who } from '#events/event.ts'
import { recordEvent } from '#events/record.ts'
import type { AddressGuard } from '#lib/address-guard.ts'
import { createOutgoingHttp, type OutgoingHttp } from '#lib/outgoing-http.ts'
import { findIdentity } from '#metadata/identities.ts'
import { providerRecord } from '#metadata/providers.ts'
import { transaction } from '#metadata/transaction.ts'
import { isUserNameTaken } from '#metadata/users.ts'
import { RegistryError } from '#oci/errors.ts'
import type { Directory } from './directory.ts'
import { openBcrypt } from './bcrypt.ts'
import { listMisfits, readLinesOf } from './htpasswd-place.ts'
import { requireOwn } from './htpasswd-configured.ts'
import { unmatchableHash } from './htpasswd.ts'
import { allAlgorithms, requireUsableKeys, requireUsableKeyText, type KeysFound } from './key-set.ts'
import { LdapDirectory, type LdapFinding } from './ldap-directory.ts'
import { failureOf } from './ldap-failures.ts'
import { identityOf, issuerOf } from './ldap-provider.ts'
import { nameCollisionAdvice } from './name-collision.ts'
import {
  changedSecrets,
  checkInput,
  checkMeaning,
  completeSettings,
  leadsElsewhere,
  mergedSettings,
  secretsOf,
  type ProviderSecrets,
} from './provider-settings.ts'
import { openSecrets } from './provider-secrets.ts'
import { backOffOf } from './sign-in.ts'

/** One thing that was tried. */
export interface TestStep {
  readonly step: string
  readonly passed: boolean
  /** A sentence. */
  readonly message: string
  readonly durationMs: number
}

/** What a provider says of the person who was asked for. */
export interface TestPerson {
  readonly name: string
  readonly displayName: string
  readonly email: string
  readonly subject: string
  readonly groups: readonly string[]
  readonly isAdministrator: boolean | null
}

/** How a test went; `person` when one was asked for and would be let in. */
export interface ProviderTest {
  readonly passed: boolean
  readonly steps: readonly TestStep[]
  readonly person: TestPerson | null
}

/** Whom to look for, with LDAP; without a password they are only looked up. */
export interface TestInput {
  readonly name?: string | undefined
  readonly password?: string | undefined
}

export interface TestParts {
  readonly directory: Directory
  readonly guard: AddressGuard
}

/** Settings that need not be saved. `provider`: whose secrets stand in where none are given. */
export interface UnsavedProvider {
  readonly kind: ProviderKind
  readonly settings: unknown
  readonly provider?: string | undefined
}

interface TestRecord {
  readonly target: string
  readonly detail: Readonly<Record<string, unknown>>
  readonly outcome: 'success' | 'failure'
  readonly reason?: string
  readonly at: number
  readonly who: Who
}

const recordTest = transaction(import.meta.url, 'provider-tests/record', async (tx, { who, ...event }: TestRecord) => {
  await recordEvent(tx, { action: 'provider.tested', ...event, ...who })
})

/** Throws RESOURCE_UNKNOWN when there is none of that name. */
export async function testProvider(parts: TestParts, name: string, input: TestInput & { readonly who: Who }): Promise<ProviderTest> {
  const record = await providerRecord(parts.directory.metadata.reader, name)
  if (record === undefined) throw new RegistryError('RESOURCE_UNKNOWN')
  const tried: Tried = {
    saved: record,
    kind: record.kind,
    settings: record.settings as ProviderSettings,
    secrets: openSecrets(parts.directory, record),
  }
  return await recorded(parts, `provider:${name}`, tried, input)
}

/** Throws REQUEST_INVALID for settings that do not fit, RESOURCE_UNKNOWN for a `provider` that is not there. */
export async function testSettings(
  parts: TestParts,
  unsaved: UnsavedProvider,
  input: TestInput & { readonly who: Who },
): Promise<ProviderTest> {
  const { kind } = unsaved
  const stored = unsaved.provider === undefined ? undefined : await providerRecord(parts.directory.metadata.reader, unsaved.provider)
  if (unsaved.provider !== undefined && stored?.kind !== kind) throw new RegistryError('RESOURCE_UNKNOWN')
  if (stored !== undefined) requireOwn(stored)
  const checked = checkInput(kind, unsaved.settings, { mayLack: stored !== undefined })
  const settings: ProviderSettings = stored === undefined ? completeSettings(kind, checked) : mergedSettings(kind, stored.settings, checked)
  await checkMeaning(kind, settings)
  const known = stored === undefined ? {} : openSecrets(parts.directory, stored)
  const elsewhere = stored !== undefined && leadsElsewhere(kind, stored.settings, settings as Readonly<Record<string, unknown>>)
  const tried: Tried = { saved: stored, kind, settings, secrets: changedSecrets(known, secretsOf(kind, checked), elsewhere) }
  return await recorded(parts, `provider:${unsaved.provider ?? ''}`, tried, input)
}

interface Tried {
  /** The row; undefined for a provider that is not made yet. */
  readonly saved: { readonly id: number; readonly name: string } | undefined
  readonly kind: ProviderKind
  readonly settings: ProviderSettings
  readonly secrets: ProviderSecrets
}

/** Tries it out and records that, with whom and how it ended; one that the back-off refuses as well. Throws TOOMANYREQUESTS. */
async function recorded(
  parts: TestParts,
  target: string,
  tried: Tried,
  { who, ...input }: TestInput & { readonly who: Who },
): Promise<ProviderTest> {
  const { directory } = parts
  const { name, password } = input
  const asked = { ...input, address: who.address ?? '' }
  const write = (passed: boolean, more: Pick<TestRecord, 'outcome' | 'reason'>) => {
    const detail = { passed, ...(name === undefined ? {} : { user: name, withPassword: password !== undefined }) }
    return directory.metadata.write(recordTest, { target, detail, ...more, at: directory.ports.clock.now(), who })
  }
  if (isSignIn(asked)) {
    await backOffOf(directory)
      .admit(asked)
      .catch(async (error: unknown) => {
        if (error instanceof RegistryError) await write(false, { outcome: 'failure', reason: error.code })
        throw error
      })
  }
  const { isWrong, ...test } = await tryOut(parts, tried, asked)
  await write(test.passed, isWrong ? { outcome: 'failure', reason: 'UNAUTHORIZED' } : { outcome: 'success' })
  return test
}

/** Whom to look for, and from where that is asked. */
interface Asked extends TestInput {
  readonly address: string
}

function isSignIn(asked: Asked): asked is Asked & { readonly name: string; readonly password: string } {
  return asked.name !== undefined && asked.name !== '' && asked.password !== undefined
}

/** How it went; `isWrong`: a person's password was tried and did not open. */
interface Outcome extends ProviderTest {
  readonly isWrong: boolean
}

type Steps = (step: string, work: () => Promise<string>) => Promise<boolean>

async function tryOut(parts: TestParts, { saved, kind, settings, secrets }: Tried, input: Asked): Promise<Outcome> {
  const { clock } = parts.directory.ports
  const steps: TestStep[] = []
  const run: Steps = async (step, work) => {
    const startedAt = clock.monotonic()
    // What throws before its first await is a failed step as well.
    const outcome = await Promise.resolve()
      .then(work)
      .then(
        (message) => ({ passed: true, message }),
        (error: unknown) => ({ passed: false, message: error instanceof Error ? error.message : 'it failed' }),
      )
    steps.push({ step, ...outcome, durationMs: Math.round(clock.monotonic() - startedAt) })
    return outcome.passed
  }
  let person: TestPerson | null = null
  if (kind === 'ldap') person = await tryLdap(parts, { saved, settings: settings as LdapSettings, secrets, input }, run)
  else if (kind === 'htpasswd') await tryFile(parts.directory, { settings: settings as HtpasswdSettings, input }, run)
  else if (kind === 'oidc') await tryIssuer(parts, settings as OidcSettings, run)
  else if (kind === 'workload') await tryIssuer(parts, settings as WorkloadSettings, run)
  const isWrong = isSignIn(input) && steps.some(({ step, passed }) => step === signInStep(input) && !passed)
  return { passed: steps.every(({ passed }) => passed), steps, person, isWrong }
}

/** What the step is called in which a password is tried. */
function signInStep({ name }: TestInput): string {
  return `sign in as ${name ?? ''}`
}

interface LdapTrial {
  readonly saved: Tried['saved']
  readonly settings: LdapSettings
  readonly secrets: ProviderSecrets
  readonly input: Asked
}

async function tryLdap({ directory, guard }: TestParts, trial: LdapTrial, run: Steps): Promise<TestPerson | null> {
  const { settings, secrets, input } = trial
  using ldap = new LdapDirectory({ settings, bindPassword: secrets['bindPassword'] ?? '', guard, ports: directory.ports })
  for (const url of settings.urls) {
    await run(`connect to ${url}`, () =>
      ldap.within(async (signal) => {
        using connection = await ldap.servers.connectTo(url, signal)
        await connection.search(settings.searchBase, { scope: 'base', attributes: ['1.1'] }, signal).catch((error: unknown) => {
          throw failureOf(error, `search at ${url}`)
        })
        return settings.bindDn === ''
          ? 'it answers, and the search base is there'
          : 'it takes the bind account, and the search base is there'
      }),
    )
  }
  const { name } = input
  if (name === undefined || name === '') return null
  let person: TestPerson | null = null
  await run(isSignIn(input) ? signInStep(input) : `look for ${name}`, async () => {
    const finding = isSignIn(input) ? await signInAt(ldap, directory, input) : await ldap.lookUp(name)
    person = personFound(finding, settings)
    const { length } = (person as TestPerson).groups
    return `found, in ${length} ${length === 1 ? 'group' : 'groups'}`
  })
  if (person !== null) await run('compare with the accounts here', () => accountFor(directory, trial, person as TestPerson))
  return person
}

/** Counted as a sign-in of that name from that address is. */
async function signInAt(
  ldap: LdapDirectory,
  directory: Directory,
  { name, password, address }: Asked & { readonly name: string; readonly password: string },
): Promise<LdapFinding> {
  let finding: LdapFinding = { kind: 'nobody' }
  await backOffOf(directory).judge({ name, address }, async () => {
    finding = await ldap.signIn(name, password)
    return finding.kind === 'person' || (finding.kind === 'refused' && finding.refusal.reason !== 'wrong-password')
  })
  return finding
}

/** Which account a sign-in would open. */
async function accountFor(
  { metadata: { reader } }: Directory,
  { saved, settings }: LdapTrial,
  { name, subject }: TestPerson,
): Promise<string> {
  const key = { providerId: saved?.id ?? 0, issuer: issuerOf(settings), subject }
  const known = saved === undefined ? undefined : await findIdentity(reader, key)
  if (known !== undefined) return `they are the account ${known.account.name}`
  if (await isUserNameTaken(reader, name)) throw new Error(nameCollisionAdvice(name, saved?.name ?? 'this directory'))
  return `they get the account ${name} at their first sign-in`
}

function personFound(finding: LdapFinding, settings: LdapSettings): TestPerson {
  switch (finding.kind) {
    case 'nobody':
      throw new Error('the user filter finds nobody below the search base (or the entry lacks the id or name attribute)')
    case 'several':
      throw new Error('the user filter finds several entries: make it find one')
    case 'refused':
      throw new Error(`found, but not let in: ${finding.refusal.sentence}`)
    case 'person': {
      const identity = identityOf(finding.person, finding.groups, settings)
      if (typeof identity === 'string') throw new Error(`found, but not let in: ${identity}`)
      const { displayName, email, subject, groups, isAdministrator } = identity
      return { name: identity.name, displayName, email, subject, groups, isAdministrator: isAdministrator ?? null }
    }
  }
}

async function tryFile(
  directory: Directory,
  { settings, input }: { readonly settings: HtpasswdSettings; readonly input: Asked },
  run: Steps,
): Promise<void> {
  let hashes: ReadonlyMap<string, string> = new Map()
  const wasRead = await run('read the file', async () => {
    const parsed = await readLinesOf(directory, settings)
    const count = parsed.misfits.length
    if (count > 0) throw new Error(`${count === 1 ? '1 line does' : `${count} lines do`} not count: ${listMisfits(parsed)}`)
    hashes = parsed.hashes
    return `${hashes.size === 1 ? '1 user is' : `${hashes.size} users are`} in it`
  })
  const { name } = input
  if (!wasRead || name === undefined || name === '') return
  await run(isSignIn(input) ? signInStep(input) : `look for ${name}`, async () => {
    const hash = hashes.get(name)
    if (!isSignIn(input)) {
      if (hash === undefined) throw new Error('the file has no entry of that name')
      return 'found'
    }
    const verify = async () => (await openBcrypt().verify(input.password, hash ?? unmatchableHash(hashes))) && hash !== undefined
    if (!(await backOffOf(directory).judge(input, verify))) throw new Error('name or password is wrong')
    return 'the password is right'
  })
}

async function tryIssuer({ directory, guard }: TestParts, settings: OidcSettings | WorkloadSettings, run: Steps): Promise<void> {
  await using http = createOutgoingHttp({ guard, timers: directory.ports.timers, authorities: settings.authorities, allowHttp: true })
  if ('jwks' in settings && settings.jwks !== '') {
    await run('read the keys', async () => {
      try {
        return keysSentence(await requireUsableKeyText(settings.jwks, settings.algorithms))
      } catch (error) {
        throw new Error(`jwks ${error instanceof Error ? error.message : 'cannot be used'}`, { cause: error })
      }
    })
    return
  }
  let jwksUrl = 'jwksUrl' in settings ? settings.jwksUrl : ''
  if (jwksUrl === '') {
    const wasFound = await run('discover the configuration', async () => {
      const found = (await getJson(http, `${settings.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`)) as Readonly<
        Record<string, unknown>
      >
      if (found['issuer'] !== settings.issuer)
        throw new Error('the issuer calls itself otherwise: issuer must be written exactly as it writes it')
      if (typeof found['jwks_uri'] !== 'string') throw new Error('the configuration names no keys')
      jwksUrl = found['jwks_uri']
      return 'found, and the issuer is the one of the settings'
    })
    if (!wasFound) return
  }
  await run('fetch the keys', async () => {
    const found = await keysOf(await getJson(http, jwksUrl), jwksUrl, 'algorithms' in settings ? settings.algorithms : allAlgorithms)
    // Only a sign-in shows it to the issuer.
    return 'clientId' in settings ? `${found}; client id and secret were not tried, which only a sign-in does` : found
  })
}

async function getJson(http: OutgoingHttp, url: string): Promise<unknown> {
  const answer = await http.fetch(url, { headers: { accept: 'application/json' } })
  if (answer.status !== 200) throw new Error(`${new URL(url).host} answers with status ${answer.status}`)
  return parseJson(await answer.text(), new URL(url).host)
}

function parseJson(text: string, where: string): object {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null) return value
  } catch {
    // The parser's message has pieces of the text in it.
  }
  throw new Error(`${where}: no JSON object is there`)
}

async function keysOf(value: unknown, url: string, algorithms: readonly string[]): Promise<string> {
  try {
    return keysSentence(await requireUsableKeys(value, algorithms))
  } catch (error) {
    throw new Error(`what ${new URL(url).host} sends ${error instanceof Error ? error.message : 'cannot be used'}`, { cause: error })
  }
}

function keysSentence({ all, usable, fault }: KeysFound): string {
  const there = all === 1 ? '1 key is there' : `${all} keys are there`
  return fault === undefined ? there : `${there}, and ${usable} of them can verify a token (${fault})`
}
