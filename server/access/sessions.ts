/**
 * Sessions of browsers, and sign-ins on their way to one.
 *
 * The problem: a cookie is a credential that a browser sends by itself, so it must be unguessable, end when the account or its password changes, and be
 * worth nothing to whoever planted it before the sign-in. The way: 32 random bytes that only the browser has (the row has their SHA-256); a fresh value at
 * sign-in and at each elevation; the session bears a stamp of the password it was opened under; every request reads the row (one indexed read, about
 * 10 µs), so that nothing that is over can be remembered. To add a step to signing in, add a state to metadata/sessions.ts and what it asks to
 * `missingOf` of http/api/session.ts.
 */
import { createHash } from 'node:crypto'
import { recordEvent } from '#events/record.ts'
import type { Who } from '#events/event.ts'
import { accessTransaction } from '#metadata/access-epoch.ts'
import type { Transactor } from '#metadata/metadata.ts'
import {
  activeSessionsOfUser,
  deleteEndedSessions,
  deleteOldestSessions,
  deleteSession,
  deleteSessionsOfUser,
  findSessionByHash,
  findSessionById,
  insertSession,
  noteSignIn,
  updateSession,
  type SessionInput,
  type SessionRow,
} from '#metadata/sessions.ts'
import { transaction } from '#metadata/transaction.ts'
import { RegistryError } from '#oci/errors.ts'
import type { Directory } from './directory.ts'
import type { SessionIdentity, SessionLook } from './hooks.ts'

/** Without a request for this long a session is over. */
export const sessionIdleMs = 8 * 3_600_000
/** A session is over this long after its sign-in, whatever happens in it. */
export const sessionLifetimeMs = 7 * 86_400_000
/** How long a password or a second factor counts as just given. */
export const elevationMs = 10 * 60_000
/** How long somebody may take from the password to the second factor, to the identity provider and back, or to choose a name. */
const stepMs = 10 * 60_000
const seenIntervalMs = 5 * 60_000
const sessionsPerUserMax = 100
const endedPerSweep = 500
const valueBytes = 32
const userAgentMax = 200

/** What a session remembers beside its columns. Members that are secret are sealed. */
export interface SessionData {
  /** Of the account's password when it was opened. */
  readonly stamp?: string | undefined
  /** How its person came in. */
  readonly method?: 'password' | 'oidc' | undefined
  /** The provider's id of its own session, by which it may end this one. */
  readonly sid?: string | undefined
  /** Sealed: the provider's ID token, a hint for signing out there. */
  readonly idToken?: string | undefined
  /** Sealed: what a sign-in under way must know. */
  readonly pending?: string | undefined
  /** A challenge that an authenticator is to sign, good for one answer. */
  readonly challenge?: { readonly value: string; readonly use: 'prove' | 'enrol'; readonly until: number } | undefined
  /** Wrong second factors so far. */
  readonly wrong?: number | undefined
  /** What a command may fetch with this as its code (terminal-login.ts). */
  readonly terminal?: TerminalGrant | undefined
}

/** What a login of the command line was allowed for, and in which session. */
export interface TerminalGrant {
  readonly challenge: string
  readonly state: string
  readonly device: string
  readonly sessionId: number
}

/** A session that is not over, in whatever state. */
export interface OpenSession {
  readonly id: number
  readonly state: SessionRow['state']
  readonly userId: number | undefined
  readonly providerId: number | undefined
  readonly name: string
  readonly data: SessionData
  readonly elevatedUntil: number
  readonly expiresAt: number
  readonly createdAt: number
}

/** A session with the value for its cookie, which is known only now. */
export interface FreshSession {
  readonly value: string
  readonly sessionId: number
}

/** SHA-256 of what the cookie holds; undefined for what no cookie of ours ever held. */
function hashOf(value: string): Buffer | undefined {
  if (!/^[A-Za-z0-9_-]{43}$/.test(value)) return undefined
  return createHash('sha256').update(value).digest()
}

function newValue({ ports }: Directory): { readonly value: string; readonly hash: Buffer } {
  const value = ports.random.bytes(valueBytes).toString('base64url')
  return { value, hash: createHash('sha256').update(value).digest() }
}

/** What changes when the password does, and tells nothing of it. */
export function passwordStamp(passwordHash: string): string {
  return createHash('sha256').update('berth session stamp\0').update(passwordHash).digest('base64url').slice(0, 22)
}

/** The session of a cookie in whatever state; undefined when it is over, or its account is disabled or has another password since. */
export async function findOpenSession(
  directory: Directory,
  value: string,
  { isWatching = false }: SessionLook = {},
): Promise<OpenSession | undefined> {
  const hash = hashOf(value)
  if (hash === undefined) return undefined
  const row = await findSessionByHash(directory.metadata.reader, hash)
  const session = row && openSession(row, directory.ports.clock.now())
  if (row !== undefined && session?.state === 'active' && !isWatching) noteSeen(directory, row)
  return session
}

/** As {@link findOpenSession}, by id. */
export async function findOpenSessionById({ metadata, ports }: Directory, id: number): Promise<OpenSession | undefined> {
  const row = await findSessionById(metadata.reader, id)
  return row && openSession(row, ports.clock.now())
}

/** The same for what a request needs after it was authenticated. */
export async function requireOpenSession(directory: Directory, id: number): Promise<OpenSession> {
  const session = await findOpenSessionById(directory, id)
  if (session === undefined) throw new RegistryError('UNAUTHORIZED', undefined, { message: 'the session is over: sign in again' })
  return session
}

/** Who is signed in with this cookie. A sign-in that still misses something is nobody. */
export async function findSession(
  directory: Directory,
  value: string,
  look?: SessionLook,
): Promise<(SessionIdentity & OpenSession) | undefined> {
  const session = await findOpenSession(directory, value, look)
  if (session?.state !== 'active' || session.userId === undefined) return undefined
  return { ...session, userId: session.userId, sessionId: session.id }
}

function openSession(row: SessionRow, now: number): OpenSession | undefined {
  const { account, userId } = row
  const data = JSON.parse(row.data) as SessionData
  if (row.expiresAt <= now || row.lastSeenAt + sessionIdleMs <= now) return undefined
  if (userId !== undefined) {
    if (account === undefined || account.isDisabled || data.stamp !== passwordStamp(account.passwordHash)) return undefined
  }
  const { id, state, providerId, elevatedUntil, expiresAt, createdAt } = row
  return { id, state, userId, providerId, name: account?.name ?? '', data, elevatedUntil, expiresAt, createdAt }
}

const touchSession = transaction(import.meta.url, 'sessions/touch', (tx, change: { readonly id: number; readonly lastSeenAt: number }) =>
  updateSession(tx, change),
)

/** Written now and then, and waited for by nobody: a lost note ends an idle session a little earlier. */
function noteSeen({ metadata, ports, log }: Directory, row: SessionRow): void {
  const now = ports.clock.now()
  if (now - row.lastSeenAt < seenIntervalMs) return
  metadata
    .write(touchSession, { id: row.id, lastSeenAt: now })
    .catch((error: unknown) => log.warn({ err: error }, 'the last use of a session was not noted'))
}

interface OpenInput {
  readonly session: SessionInput
  /** The session that the browser had before: it ends with this sign-in. */
  readonly replaces: number | undefined
  /** Stands in the event, for sessions that are signed in by now. */
  readonly name: string
  readonly method: string
  readonly who: Who
}

async function open(tx: Transactor, { session, replaces, name, method, who }: OpenInput): Promise<number> {
  const { at, userId } = session
  await deleteEndedSessions(tx, { at, limit: endedPerSweep })
  if (replaces !== undefined) await deleteSession(tx, { id: replaces })
  const id = await insertSession(tx, session)
  if (userId !== undefined) await deleteOldestSessions(tx, { userId, keep: sessionsPerUserMax })
  if (session.state === 'active') await recordOpened(tx, { id, userId, name, method, at, who })
  return id
}

interface Opened {
  readonly id: number
  readonly userId: number | undefined
  readonly name: string
  readonly method: string
  readonly at: number
  readonly who: Who
}

async function recordOpened(tx: Transactor, { id, userId, name, method, at, who }: Opened): Promise<void> {
  if (userId !== undefined) await noteSignIn(tx, { userId, at })
  await recordEvent(tx, { action: 'session.opened', target: `session:${id}`, detail: { user: name, method }, at, ...who })
}

const openTransaction = transaction(import.meta.url, 'sessions/open', open)

/** What a session is opened for. */
export interface SessionOpening {
  readonly state: SessionRow['state']
  readonly user?: { readonly id: number; readonly name: string; readonly passwordHash: string } | undefined
  readonly providerId?: number | undefined
  readonly data?: SessionData | undefined
  /** Its person has just shown who they are: a password typed, an authentication of this minute at the provider. */
  readonly isFresh: boolean
  readonly replaces?: number | undefined
  /** In place of what the state gives. */
  readonly lifetimeMs?: number | undefined
}

/** A sign-in is done by the one who is signed in by it. */
function asUser(who: Who, user: { readonly id: number; readonly name: string }): Who {
  return { ...who, actor: user.name, actorKey: `user:${user.id}` }
}

/** Opens a session under a value of its own. */
export async function createSession(directory: Directory, opening: SessionOpening, who: Who): Promise<FreshSession> {
  const { value, hash } = newValue(directory)
  const { user, data, replaces } = opening
  const session = rowOf(opening, who, { hash, at: directory.ports.clock.now() })
  const by = user === undefined ? who : asUser(who, user)
  const name = user?.name ?? ''
  const opened = { session, replaces, name, method: data?.method ?? 'password', who: by }
  return { value, sessionId: await directory.metadata.write(openTransaction, opened) }
}

function rowOf(
  { state, user, providerId, data, isFresh, lifetimeMs }: SessionOpening,
  { address = '', userAgent = '' }: Who,
  { hash, at }: { readonly hash: Buffer; readonly at: number },
): SessionInput {
  const isActive = state === 'active'
  const stamped: SessionData = user === undefined ? { ...data } : { ...data, stamp: passwordStamp(user.passwordHash) }
  return {
    hash,
    userId: user?.id,
    providerId,
    state,
    data: JSON.stringify(stamped),
    address,
    userAgent: userAgent.slice(0, userAgentMax),
    elevatedUntil: isFresh && isActive ? at + elevationMs : 0,
    expiresAt: at + (lifetimeMs ?? (isActive ? sessionLifetimeMs : stepMs)),
    at,
  }
}

interface ProveInput {
  readonly id: number
  readonly hash: Buffer
  readonly userId: number
  readonly name: string
  readonly wasActive: boolean
  readonly data: string
  readonly elevatedUntil: number
  readonly expiresAt: number
  readonly by: string
  readonly at: number
  readonly who: Who
}

async function prove(tx: Transactor, input: ProveInput): Promise<void> {
  const { id, hash, userId, name, wasActive, data, elevatedUntil, expiresAt, by, at, who } = input
  if (!(await updateSession(tx, { id, hash, state: 'active', data, elevatedUntil, expiresAt, lastSeenAt: at }))) {
    throw new RegistryError('UNAUTHORIZED', undefined, { message: 'the session is over: sign in again' })
  }
  if (!wasActive) await recordOpened(tx, { id, userId, name, method: by, at, who })
}

const proveTransaction = accessTransaction(import.meta.url, 'sessions/prove', prove)

/**
 * Completes a sign-in, or elevates a session that is signed in: in both cases its person has just proved who they are, and the cookie changes.
 * `by` says how, for the record.
 */
export async function proveSession(directory: Directory, session: OpenSession, by: string, who: Who): Promise<FreshSession> {
  const { ports, metadata } = directory
  const { id, userId, name } = session
  if (userId === undefined) throw new RegistryError('UNAUTHORIZED')
  const at = ports.clock.now()
  const { value, hash } = newValue(directory)
  const wasActive = session.state === 'active'
  const { stamp, method, sid, idToken } = session.data
  const data: SessionData = { stamp, method, sid, idToken }
  await metadata.write(proveTransaction, {
    id,
    hash,
    userId,
    name,
    wasActive,
    data: JSON.stringify(data),
    elevatedUntil: at + elevationMs,
    expiresAt: wasActive ? session.expiresAt : at + sessionLifetimeMs,
    by,
    at,
    who: asUser(who, { id: userId, name }),
  })
  return { value, sessionId: id }
}

interface DataChange {
  readonly id: number
  readonly set: SessionData
  /** The change counts only while the challenge is this one: of two answers to it, one. */
  readonly ifChallenge?: string | undefined
}

const changeData = transaction(
  import.meta.url,
  'sessions/change-data',
  async (tx, { id, set, ifChallenge }: DataChange): Promise<boolean> => {
    const row = await findSessionById(tx, id)
    if (row === undefined) return false
    const data = JSON.parse(row.data) as SessionData
    if (ifChallenge !== undefined && data.challenge?.value !== ifChallenge) return false
    return await updateSession(tx, { id, data: JSON.stringify({ ...data, ...set }) })
  },
)

/** Sets members of what the session remembers; those that are given as undefined are forgotten. False when the session is gone. */
export async function setSessionData({ metadata }: Directory, id: number, set: SessionData): Promise<boolean> {
  return await metadata.write(changeData, { id, set })
}

/** Uses up the session's challenge; false when another request was faster. */
export async function takeChallenge({ metadata }: Directory, id: number, challenge: string): Promise<boolean> {
  return await metadata.write(changeData, { id, set: { challenge: undefined }, ifChallenge: challenge })
}

const countWrong = transaction(
  import.meta.url,
  'sessions/count-wrong',
  async (tx, input: { readonly id: number; readonly max: number }) => {
    const row = await findSessionById(tx, input.id)
    if (row === undefined) return
    const data = JSON.parse(row.data) as SessionData
    const wrong = (data.wrong ?? 0) + 1
    if (wrong >= input.max && row.state === 'second-factor') await deleteSession(tx, { id: input.id })
    else await updateSession(tx, { id: input.id, data: JSON.stringify({ ...data, wrong }) })
  },
)

const wrongMax = 5

/** Counts a wrong second factor: a sign-in ends with the fifth, and begins again with the password. */
export async function noteWrongFactor({ metadata }: Directory, id: number): Promise<void> {
  await metadata.write(countWrong, { id, max: wrongMax })
}

interface EndInput {
  readonly id: number
  readonly userId: number
  readonly name: string
  readonly at: number
  readonly who: Who
}

const endTransaction = accessTransaction(import.meta.url, 'sessions/end', async (tx, { id, userId, name, at, who }: EndInput) => {
  if (!(await deleteSession(tx, { id, userId }))) throw new RegistryError('RESOURCE_UNKNOWN')
  await recordEvent(tx, { action: 'session.closed', target: `session:${id}`, detail: { user: name }, at, ...who })
})

/** Ends one session of the account. Throws RESOURCE_UNKNOWN when it has no such session. */
export async function endSession({ metadata, ports }: Directory, session: Omit<EndInput, 'at' | 'who'>, who: Who): Promise<void> {
  await metadata.write(endTransaction, { ...session, at: ports.clock.now(), who })
}

const dropTransaction = transaction(import.meta.url, 'sessions/drop', (tx, id: number) => deleteSession(tx, { id }))

/** Gives up a sign-in under way; false when it was gone already. */
export async function dropSession({ metadata }: Directory, id: number): Promise<boolean> {
  return await metadata.write(dropTransaction, id)
}

interface EndAllInput {
  readonly userId: number
  readonly name: string
  readonly exceptId?: number | undefined
  readonly providerId?: number | undefined
  readonly at: number
  readonly who: Who
}

const endAllTransaction = accessTransaction(import.meta.url, 'sessions/end-all', async (tx, input: EndAllInput): Promise<number> => {
  const { at, who, name, ...which } = input
  const count = await deleteSessionsOfUser(tx, which)
  if (count > 0) await recordEvent(tx, { action: 'session.closed', target: `user:${name}`, detail: { user: name }, at, ...who, count })
  return count
})

/** Ends all sessions of the account but `exceptId`, or those that one provider opened; how many they were. */
export async function endSessions({ metadata, ports }: Directory, which: Omit<EndAllInput, 'at' | 'who'>, who: Who): Promise<number> {
  return await metadata.write(endAllTransaction, { ...which, at: ports.clock.now(), who })
}

/** The sessions that an account is signed in with, the latest first. Those that are over are left out. */
export async function listSessions({ metadata, ports }: Directory, userId: number): Promise<readonly SessionRow[]> {
  const now = ports.clock.now()
  const rows = await activeSessionsOfUser(metadata.reader, userId)
  return rows.filter((row) => openSession(row, now) !== undefined)
}
