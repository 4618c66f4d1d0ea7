/**
 * A session of the kind that browsers have, for what only a signed-in person may do: second factors, and the first token of an account that has one.
 *
 * It is opened by the password (and the second factor where the account has one), kept in memory alone, and ended when the verb is through. Stepping up
 * (step-up.ts) opens one, too, for accounts that a password alone does not open.
 */
import { resolve } from 'node:path'
import { ApiProblem, createClient, type ApiClient } from '#api/client.ts'
import type { ResponseOf } from '#api/contract.ts'
import { giveSecondFactor, signIn, signOut } from '#api/routes/session.ts'
import { CommandFailure, NotLetIn } from './command-failure.ts'
import { describeProblem } from './describe-problem.ts'
import { printable } from './print.ts'
import { serverFetch } from './server-fetch.ts'
import { versionText } from './version-text.ts'

/** Who signs in where. `askCode` gives undefined when there is nobody to ask. */
export interface SessionOf {
  readonly server: string
  readonly ca?: string | undefined
  readonly name: string
  readonly password: string
  readonly askCode: (question: string) => Promise<string | undefined>
  /** Names of the verb's options. */
  readonly options?: readonly string[] | undefined
}

/** Runs with a client that is signed in, and signs it out. Throws sentences. */
export async function withSession(wanted: SessionOf, run: (client: ApiClient) => Promise<void>): Promise<void> {
  const { server, ca, options = [] } = wanted
  await using reach = await serverFetch(ca === undefined ? undefined : resolve(ca))
  try {
    await using session = await openSession(reach.fetch, wanted)
    await run(clientOf(server, session.fetch))
  } catch (error) {
    throw error instanceof ApiProblem ? new CommandFailure(describeProblem(error, { server, options }), { cause: error }) : error
  }
}

/** An open session; it is signed out when it is disposed of. */
export interface OpenSession extends AsyncDisposable {
  /** Sends with the session's cookie. */
  readonly fetch: typeof fetch
}

/** Signs in. Throws what the server answers, and sentences where it cannot be done here. */
export async function openSession(send: typeof fetch, wanted: Omit<SessionOf, 'ca' | 'options'>): Promise<OpenSession> {
  const fetch = withCookies(send)
  const client = clientOf(wanted.server, fetch)
  await open(client, wanted)
  return {
    fetch,
    async [Symbol.asyncDispose]() {
      // One that is left over ends by itself.
      await client.call(signOut).catch(() => undefined)
    },
  }
}

function clientOf(server: string, send: typeof fetch): ApiClient {
  return createClient({ baseUrl: server, fetch: send, userAgent: `berth-cli/${versionText()}` })
}

async function open(client: ApiClient, { name, password, askCode }: Omit<SessionOf, 'ca' | 'options'>): Promise<void> {
  const session = await client.call(signIn, { body: { name, password } }).catch((error: unknown) => {
    if (error instanceof ApiProblem && error.code === 'UNAUTHORIZED')
      throw new NotLetIn(printable(error.detail ?? 'name or password is wrong'), { cause: error })
    throw error
  })
  if (session.state === 'active') return
  await client.call(giveSecondFactor, { body: await proof(session, askCode) })
}

async function proof({ state, secondFactors }: ResponseOf<typeof signIn>, askCode: SessionOf['askCode']) {
  if (state !== 'second-factor') throw new NotLetIn('this sign-in cannot be finished here: use a browser')
  const kinds = [...(secondFactors.includes('totp') ? ['the app'] : []), ...(secondFactors.includes('recovery') ? ['recovery'] : [])]
  if (kinds.length === 0) throw new NotLetIn('this account has passkeys only, which need a browser')
  const code = (await askCode(`Code (${kinds.join(' or ')})`))?.trim()
  if (code === undefined || code === '')
    throw new NotLetIn('this account has a second factor: run this at a terminal, which asks for its code')
  return /^[\d ]{6,8}$/.test(code) ? ({ kind: 'totp', code } as const) : ({ kind: 'recovery', code } as const)
}

/** `send` with the cookies that the server sets, and the mark of a request that no other site's page sent. */
function withCookies(send: typeof fetch): typeof fetch {
  const jar = new Map<string, string>()
  return async (url, init) => {
    const headers = new Headers(init?.headers)
    headers.set('sec-fetch-site', 'same-origin')
    if (jar.size > 0) headers.set('cookie', [...jar].map((pair) => pair.join('=')).join('; '))
    const answer = await send(url, { ...init, headers: Object.fromEntries(headers) })
    for (const line of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=;]+)=([^;]*)/.exec(line) ?? []
      if (name === undefined || value === undefined) continue
      if (value === '') jar.delete(name)
      else jar.set(name, value)
    }
    return answer
  }
}
