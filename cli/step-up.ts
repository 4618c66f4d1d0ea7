/**
 * Destructive administration asks for the password again (docs/guides/two-factor.md), and the token that a login keeps is not enough for it. At a terminal
 * the password is asked for when the server says so, once for a command, and the same request is sent again with it. It is kept nowhere.
 */
import { promptAtTerminal } from './prompt.ts'

/** Who the stored token is of, and how the password is come by: undefined when there is nobody to ask. */
export interface StepUp {
  readonly name: string
  readonly askPassword?: (question: string) => Promise<string | undefined>
}

/** `send` that repeats with the password what is refused for want of it. */
export function steppingUp(send: typeof fetch, { name, askPassword = promptAtTerminal }: StepUp): typeof fetch {
  let authorization: string | undefined
  const resend: typeof fetch = (url, init) => {
    const headers = Object.fromEntries(new Headers(init?.headers))
    return send(url, { ...init, headers: { ...headers, ...(authorization !== undefined && { authorization }) } })
  }
  return async (url, init) => {
    const answer = await resend(url, init)
    if (authorization !== undefined || !(await isRefusedWithoutPassword(answer))) return answer
    const password = await askPassword(`This needs the password of ${name} again`)
    if (password === undefined) return answer
    authorization = `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`
    return await resend(url, init)
  }
}

async function isRefusedWithoutPassword(answer: Response): Promise<boolean> {
  if (answer.status !== 403) return false
  try {
    const { code } = (await answer.clone().json()) as { readonly code?: unknown }
    return code === 'ELEVATION_REQUIRED'
  } catch {
    return false // A proxy's page.
  }
}
