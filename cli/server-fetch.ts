/** How the command line reaches a server: with the certificates that it is to trust, and with a sentence for each way in which that fails. */
import { readFile } from 'node:fs/promises'
import { getCACertificates } from 'node:tls'
import { Agent, fetch as fetchThrough } from 'undici'
import { printable } from './print.ts'
import { CommandFailure, Unreachable } from './command-failure.ts'

/** A `fetch` that trusts the machine's certificate authorities, and those of the file. Dispose it to close its connections. */
export async function serverFetch(caFile: string | undefined): Promise<{ readonly fetch: typeof fetch } & AsyncDisposable> {
  const extra = caFile === undefined ? undefined : await readCertificates(caFile)
  const agent = new Agent(extra === undefined ? {} : { connect: { ca: [...getCACertificates('default'), extra] } })
  const reach = async (input: string | URL, init?: RequestInit) => {
    try {
      return await fetchThrough(input, { ...(init as object), dispatcher: agent })
    } catch (error) {
      throw describeUnreachable(new URL(input).origin, error)
    }
  }
  return { fetch: reach as unknown as typeof fetch, [Symbol.asyncDispose]: () => agent.destroy() }
}

async function readCertificates(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new CommandFailure(`the certificates of --ca cannot be read: ${(error as Error).message}`)
  })
  if (!text.includes('-----BEGIN CERTIFICATE-----')) throw new CommandFailure(`${file} holds no certificate in PEM form`)
  return text
}

const trust = 'name the certificate authority with --ca FILE (for a certificate that signed itself: that very certificate)'
const tlsProblems: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: `its certificate is signed by itself: ${trust}`,
  SELF_SIGNED_CERT_IN_CHAIN: `its certificate comes from an authority that this machine does not know: ${trust}`,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: `its certificate comes from an authority that this machine does not know: ${trust}`,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: `its certificate comes from an authority that this machine does not know: ${trust}`,
  CERT_HAS_EXPIRED: 'its certificate has expired: the server needs a current one',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet: is the clock of this machine right?',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name: use the name that the certificate has',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS there: is it meant to be http://?',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'it does not speak TLS there: is it meant to be http://?',
  ECONNREFUSED: 'nothing listens there: is the server running, and is the port right?',
  ENOTFOUND: 'there is no host of that name',
  EAI_AGAIN: 'the name cannot be looked up at the moment',
  ECONNRESET: 'the connection was cut: is it meant to be https://?',
  EHOSTUNREACH: 'there is no way to it',
  ETIMEDOUT: 'it does not answer',
  UND_ERR_CONNECT_TIMEOUT: 'it does not answer',
  UND_ERR_HEADERS_TIMEOUT: 'it took too long to answer',
  UND_ERR_SOCKET: 'the connection was cut: is it meant to be https://?',
}

/** A sentence for what kept the request from being answered; an abort stays what it is. */
function describeUnreachable(origin: string, error: unknown): unknown {
  if (error instanceof Error && error.name === 'AbortError') return error
  const codes: string[] = []
  let last = ''
  for (let at = error, depth = 0; at instanceof Error && depth < 6; depth += 1) {
    const inner: unknown = at instanceof AggregateError ? at.errors[0] : at.cause
    const { code } = at as NodeJS.ErrnoException
    if (code !== undefined) codes.push(code)
    last = at.message
    at = inner
  }
  const known = codes.map((code) => tlsProblems[code]).find((text) => text !== undefined)
  return new Unreachable(`${origin} cannot be reached: ${known ?? printable(last)}`)
}
