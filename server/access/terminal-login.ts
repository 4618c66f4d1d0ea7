/**
 * A login of the command line that is made in the browser, as RFC 8252 has it for native apps: for people who have no password here.
 *
 * The problem: what the browser hands to the command passes other programs and the address bar, and a link that somebody sends must not make them a token.
 * The way: the command listens on a loopback address, and makes a secret whose hash goes into the link (RFC 7636). The person who is signed in confirms; the
 * browser then carries a code that is worth nothing without the secret, is good for two minutes and one try, and ends with the session that allowed it. The
 * code is a row of `sessions`, so whatever ends an account's sessions ends it too.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { Who } from '#events/event.ts'
import { findUserFacts } from '#metadata/account-facts.ts'
import { RegistryError } from '#oci/errors.ts'
import type { Directory } from './directory.ts'
import { mintPersonalToken, type ShownToken } from './personal-tokens.ts'
import { createSession, dropSession, findOpenSession, findOpenSessionById, type OpenSession, type TerminalGrant } from './sessions.ts'

/** What a command asks for, every part of it judged. */
export interface TerminalRequest {
  /** `http://127.0.0.1:PORT/` or `http://[::1]:PORT/`: never another machine. */
  readonly redirectUri: string
  /** base64url of the SHA-256 of what the command keeps. */
  readonly challenge: string
  /** By which the command knows its own login again. */
  readonly state: string
  /** What the token is to be called: after the machine. */
  readonly device: string
}

const loopback = /^http:\/\/(?:127\.0\.0\.1|\[::1\]):([1-9]\d{0,4})\/$/
const hashText = /^[A-Za-z0-9_-]{43}$/
const stateText = /^[A-Za-z0-9_-]{22,128}$/
/** RFC 7636 §4.1. */
const verifierText = /^[A-Za-z0-9._~-]{43,128}$/
/** Nothing that moves or hides what stands beside it on the page that asks. */
const deviceText = /^[^\p{C}\p{Zl}\p{Zp}]{1,100}$/u
/** Enough to carry the address of the browser over to another machine by hand. */
const codeMs = 2 * 60_000

/** The request as a link says it; undefined when any part is odd, above all a redirect that leaves the machine. */
export function parseTerminalRequest(said: TerminalRequest): TerminalRequest | undefined {
  const port = Number(loopback.exec(said.redirectUri)?.[1])
  const isSound = port <= 65_535 && hashText.test(said.challenge) && stateText.test(said.state) && deviceText.test(said.device)
  return isSound ? said : undefined
}

/** Somebody who is signed in, and has said yes. */
export interface TerminalConsent {
  readonly session: OpenSession & { readonly userId: number }
  readonly request: TerminalRequest
}

/** The code that the browser carries to the command. The caller has seen to it that the session is fresh: what the code gives is a token without scopes. */
export async function allowTerminal(directory: Directory, { session, request }: TerminalConsent, who: Who): Promise<string> {
  const user = await findUserFacts(directory.metadata.reader, { id: session.userId })
  if (user === undefined || user.isDisabled || session.state !== 'active') throw new RegistryError('UNAUTHORIZED')
  const { challenge, state, device } = request
  const terminal: TerminalGrant = { challenge, state, device, sessionId: session.id }
  const opening = { state: 'terminal', user, data: { terminal }, isFresh: false, lifetimeMs: codeMs } as const
  const { value } = await createSession(directory, opening, who)
  return value
}

/** What the command comes back with. */
export interface TerminalExchange {
  readonly code: string
  readonly verifier: string
  readonly state: string
}

/** The personal token that a code is good for, and whose it is. Throws UNAUTHORIZED for every other code; any try uses the code up. */
export async function exchangeTerminalCode(
  directory: Directory,
  { code, verifier, state }: TerminalExchange,
  who: Who,
): Promise<ShownToken & { readonly name: string }> {
  const { name, userId, terminal } = await takeCode(directory, code)
  if (!isVerifier(verifier, terminal.challenge) || !isSame(state, terminal.state)) throw refusal()
  const allowed = await findOpenSessionById(directory, terminal.sessionId)
  if (allowed?.state !== 'active' || allowed.userId !== userId) throw refusal()
  const by = { ...who, actor: name, actorKey: `user:${userId}`, credential: `session:${terminal.sessionId}` }
  const made = await mintPersonalToken(directory, { userId, wanted: { name: terminal.device, scopes: undefined, expiresAt: null } }, by)
  return { ...made, name }
}

interface TakenCode {
  readonly userId: number
  readonly name: string
  readonly terminal: TerminalGrant
}

/** Of two tries at once one finds it. */
async function takeCode(directory: Directory, code: string): Promise<TakenCode> {
  const given = await findOpenSession(directory, code)
  const terminal = given?.state === 'terminal' ? given.data.terminal : undefined
  if (given?.userId === undefined || terminal === undefined || !(await dropSession(directory, given.id))) throw refusal()
  return { userId: given.userId, name: given.name, terminal }
}

function isVerifier(verifier: string, challenge: string): boolean {
  return verifierText.test(verifier) && isSame(createHash('sha256').update(verifier).digest('base64url'), challenge)
}

function isSame(one: string, other: string): boolean {
  const [left, right] = [Buffer.from(one), Buffer.from(other)]
  return left.length === right.length && timingSafeEqual(left, right)
}

function refusal(): RegistryError {
  return new RegistryError('UNAUTHORIZED', undefined, {
    message: 'this login was not allowed in the browser, took too long, or was tried already: start it again',
  })
}
