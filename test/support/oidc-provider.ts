import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import Provider, { type Configuration } from 'oidc-provider'

/** What an account at the provider says of itself. */
export type Claims = Readonly<Record<string, unknown>>

export interface OidcServer extends AsyncDisposable {
  readonly issuer: string
  readonly clientId: string
  readonly clientSecret: string
  /** Claims by login name; `sub` is the name. */
  readonly people: Map<string, Claims>
  /** Requests that it got, as `METHOD path`. */
  readonly requests: readonly string[]
}

/** A real OpenID Connect provider on loopback: any login name with any password is let in, with the claims of `people`. */
export async function startOidcProvider(
  redirectUris: readonly string[],
  options: {
    readonly postLogout?: readonly string[]
    readonly tellsTime?: boolean
    /** Those of another provider, who are at this one, too. */
    readonly people?: Map<string, Claims>
  } = {},
): Promise<OidcServer> {
  const people = options.people ?? new Map<string, Claims>()
  const requests: string[] = []
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const clientId = 'berth'
  const clientSecret = 'canary-client-secret-of-the-test'
  const provider = new Provider(
    issuer,
    configuration({
      clientId,
      clientSecret,
      redirectUris,
      people,
      postLogout: options.postLogout ?? [],
      tellsTime: options.tellsTime ?? true,
    }),
  )
  const callback = provider.callback()
  server.on('request', (request, response) => {
    requests.push(`${request.method} ${request.url?.split('?')[0]}`)
    void callback(request, response)
  })
  return { issuer, clientId, clientSecret, people, requests, [Symbol.asyncDispose]: () => close(server) }
}

interface Wanted {
  readonly clientId: string
  readonly clientSecret: string
  readonly redirectUris: readonly string[]
  readonly postLogout: readonly string[]
  /** Whether ID tokens say when somebody signed in. */
  readonly tellsTime: boolean
  readonly people: ReadonlyMap<string, Claims>
}

function configuration({ clientId, clientSecret, redirectUris, postLogout, people, tellsTime }: Wanted): Configuration {
  return {
    clients: [
      {
        client_id: clientId,
        client_secret: clientSecret,
        redirect_uris: [...redirectUris],
        post_logout_redirect_uris: [...postLogout],
        grant_types: ['authorization_code'],
        response_types: ['code'],
        token_endpoint_auth_method: 'client_secret_basic',
      },
    ],
    claims: {
      openid: [
        'sub',
        'sid',
        'preferred_username',
        'name',
        'email',
        'email_verified',
        'groups',
        'realm_access',
        ...(tellsTime ? ['auth_time'] : []),
      ],
    },
    conformIdTokenClaims: false,
    scopes: ['openid', 'profile', 'email'],
    findAccount: (_context: unknown, id: string) => ({
      accountId: id,
      claims: () => ({ preferred_username: id, ...people.get(id), sub: id }),
    }),
    cookies: { keys: ['a key for the test'] },
    features: { devInteractions: { enabled: true }, rpInitiatedLogout: { enabled: true } },
    pkce: { required: () => true },
    ttl: { Session: 3600, Grant: 3600, Interaction: 600, AccessToken: 600, IdToken: 600 },
  }
}

function close(server: Server): Promise<void> {
  server.closeAllConnections()
  return new Promise((resolve) => server.close(() => resolve()))
}
