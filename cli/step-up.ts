/**
 * Destructive administration asks for the password again (docs/guides/two-factor.md), and the token that a login keeps is not enough for it. At a terminal
 * the password is asked for when the server says so, once for a command, and the same request is sent again with it. An account that a password alone does not
 * open is asked for its second factor as well, for a session that lasts as long as the command. Neither is kept anywhere.
 */
import { promptAtTerminal } from './prompt.ts'
import { openSession } from './session-client.ts'

/** Who the stored token is of, and how the proof is come by: undefined when there is nobody to ask. */
export interface StepUp {
  readonly server: string
  readonly name: string
  /** Ends what was opened on the way. */
  readonly endings: AsyncDisposableStack
  readonly askPassword?: (question: string) => Promise<string | undefined>
  readonly askCode?: (question: string) => Promise<string | undefined>
}

/** `send` that repeats with the password, and the second factor where it takes one, what is refused for want of it. */
export function steppingUp(send: typeof fetch, stepUp: StepUp): typeof fetch {
  const { server, name, endings, askPassword = promptAtTerminal, askCode = promptAtTerminal } = stepUp
  let proved: typeof fetch | undefined
  return async (url, init) => {
    if (proved !== undefined) return await proved(url, init)
    const answer = await send(url, init)
    if (!(await isRefusedWithoutPassword(answer))) return answer
    const password = await askPassword(`This needs the password of ${name} again`)
    if (password === undefined) return answer
    const byPassword = authorizedBy(send, `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`)
    const again = await byPassword(url, init)
    if (!(await isRefusedWithoutFactor(again))) {
      proved = byPassword
      return again
    }
    const session = endings.use(await openSession(send, { server, name, password, askCode }))
    proved = authorizedBy(session.fetch, undefined)
    return await proved(url, init)
  }
}

/** `send` with that in place of the header there was. */
function authorizedBy(send: typeof fetch, authorization: string | undefined): typeof fetch {
  return (url, init) => {
    const { authorization: _, ...headers } = Object.fromEntries(new Headers(init?.headers))
    return send(url, { ...init, headers: { ...headers, ...(authorization !== undefined && { authorization }) } })
  }
}

/** The password was right and is not enough: a wrong one is answered with no sentence of its own. */
async function isRefusedWithoutFactor(answer: Response): Promise<boolean> {
  if (answer.status !== 401) return false
  const { detail } = await problemOf(answer)
  return typeof detail === 'string' && /second factor/.test(detail)
}

async function isRefusedWithoutPassword(answer: Response): Promise<boolean> {
  return answer.status === 403 && (await problemOf(answer)).code === 'ELEVATION_REQUIRED'
}

async function problemOf(answer: Response): Promise<{ readonly code?: unknown; readonly detail?: unknown }> {
  try {
    return (await answer.clone().json()) as { readonly code?: unknown }
  } catch {
    return {} // A proxy's page.
  }
}
