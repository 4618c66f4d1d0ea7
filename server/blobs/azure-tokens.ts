/**
 * Tokens of Microsoft Entra ID for Azure Blob Storage: by a client secret, by a federated token (workload identity of Kubernetes) or by the managed identity of
 * the machine. Three small requests; the library for them weighs 47 MB (docs/decisions/0012-azure-by-its-sdk.md). The service's client keeps a token until
 * shortly before it ends.
 */
import type { Clock, Files } from '#lib/ports.ts'
import { ObjectError } from './object-backend.ts'

/** What the service's client asks for tokens. */
export interface TokenSource {
  getToken(
    scopes: string | string[],
    options?: { readonly abortSignal?: unknown },
  ): Promise<{ readonly token: string; readonly expiresOnTimestamp: number }>
}

/** An application of a tenant, and how it proves itself. */
export interface AzureApplication {
  /** `https://login.microsoftonline.com` */
  readonly authority: string
  readonly tenantId: string
  readonly clientId: string
  /** A secret, or the token of a trusted issuer. */
  readonly proof: () => Promise<{ readonly secret: string } | { readonly assertion: string }>
}

/** What is outside of these sources. */
export interface TokenSurroundings {
  readonly clock: Pick<Clock, 'now'>
  readonly fetch: typeof fetch
}

const patienceMs = 10_000
const machine = 'http://169.254.169.254/metadata/identity/oauth2/token'

/** An application with a secret or a federated token. */
export function applicationTokens(application: AzureApplication, surroundings: TokenSurroundings): TokenSource {
  return {
    async getToken(scopes) {
      const proof = await application.proof()
      const form = {
        grant_type: 'client_credentials',
        client_id: application.clientId,
        scope: [scopes].flat().join(' '),
        ...('secret' in proof
          ? { client_secret: proof.secret }
          : { client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer', client_assertion: proof.assertion }),
      }
      const url = `${application.authority}/${encodeURIComponent(application.tenantId)}/oauth2/v2.0/token`
      return askFor(url, { method: 'POST', body: new URLSearchParams(form) }, surroundings)
    },
  }
}

/** The identity of this machine; `clientId` chooses one where it has several. */
export function machineTokens(clientId: string | undefined, surroundings: TokenSurroundings): TokenSource {
  return {
    getToken(scopes) {
      const resource = [scopes]
        .flat()
        .join(' ')
        .replace(/\/?\.default$/, '')
      const query = new URLSearchParams({
        'api-version': '2018-02-01',
        resource,
        ...(clientId === undefined ? {} : { client_id: clientId }),
      })
      return askFor(`${machine}?${query.toString()}`, { headers: { metadata: 'true' } }, surroundings)
    },
  }
}

/** What Azure's own tools go by: an application in the environment, a federated token that Kubernetes mounted, else the machine. */
export function defaultTokens(
  env: Readonly<Record<string, string | undefined>>,
  { authority, clientId, files, ...surroundings }: TokenSurroundings & Place,
): TokenSource {
  const { AZURE_TENANT_ID: tenantId, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET: secret, AZURE_FEDERATED_TOKEN_FILE: tokenFile } = env
  const client = clientId ?? AZURE_CLIENT_ID
  const own = { authority: env['AZURE_AUTHORITY_HOST']?.replace(/\/+$/, '') ?? authority, tenantId: tenantId ?? '', clientId: client ?? '' }
  const isApplication = tenantId !== undefined && client !== undefined
  if (isApplication && secret !== undefined) return applicationTokens({ ...own, proof: async () => ({ secret }) }, surroundings)
  if (isApplication && tokenFile !== undefined) {
    // Kubernetes writes it anew each hour.
    const proof = async () => ({ assertion: (await files.readFile(tokenFile, 'utf8')).trim() })
    return applicationTokens({ ...own, proof }, surroundings)
  }
  return machineTokens(client, surroundings)
}

interface Place {
  readonly authority: string
  readonly clientId: string | undefined
  readonly files: Pick<Files, 'readFile'>
}

async function askFor(url: string, init: RequestInit, { clock, fetch: send }: TokenSurroundings) {
  let answer: Response
  try {
    answer = await send(url, { ...init, redirect: 'error', signal: AbortSignal.timeout(patienceMs) })
  } catch (cause) {
    throw new ObjectError('passing', 'whoever gives tokens for the object store did not answer', { code: 'NoToken', cause })
  }
  const text = await answer.text()
  const { access_token: token, expires_in: seconds, error } = parsed(text)
  if (answer.ok && typeof token === 'string' && Number(seconds) > 0)
    return { token, expiresOnTimestamp: clock.now() + Number(seconds) * 1_000 }
  const word = typeof error === 'string' ? error : ''
  const fault = answer.status >= 500 || answer.status === 429 ? 'busy' : 'refused'
  throw new ObjectError(fault, `there is no token for the object store: ${answer.status} ${word}`.trim(), { code: 'NoToken' })
}

function parsed(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return {}
  }
}
