/** The WWW-Authenticate of a 401 (RFC 7235, and Docker's token protocol for Bearer). */
import type { AuthConfig } from '#config/config.ts'
import { basicChallenge } from './basic-credential.ts'

/** What a challenge is made from. */
export interface ChallengeContext {
  /** How the refused request tried to prove who sends it. */
  readonly sent: 'none' | 'basic' | 'bearer' | 'other'
  /** The address of this registry as the client knows it, without a path; undefined when it did not say. */
  readonly origin: string | undefined
  /** URL of Berth's own token end point; undefined as above. */
  readonly tokenUrl: string | undefined
  /** What the request needs, in Docker's words: `repository:team/app:pull,push`. */
  readonly scope?: string | undefined
  readonly error?: 'insufficient_scope' | 'invalid_token' | undefined
}

/** The values to send, none where nobody is asked. `service` names this registry in tokens; empty: by its host. */
export function challengesOf(config: AuthConfig, service: string, context: ChallengeContext): readonly string[] {
  switch (config.kind) {
    case 'open':
      return []
    case 'htpasswd':
      return [basicChallenge(config.realm)]
    case 'accounts': {
      // Who tried a password is told that it was wrong; a client that is sent to the token server would ask there again.
      if (context.sent === 'basic' || context.tokenUrl === undefined) return [basicChallenge(config.realm)]
      return [bearerChallenge(context.tokenUrl, service === '' ? new URL(context.tokenUrl).host : service, context)]
    }
    case 'token': {
      const redirected = config.autoRedirectPath === undefined ? undefined : `${context.origin ?? ''}${config.autoRedirectPath}`
      return [bearerChallenge(redirected ?? config.realm, config.service, context)]
    }
  }
}

/** Parameters in the order in which registry:2 writes them. */
function bearerChallenge(realm: string, service: string, { scope, error }: ChallengeContext): string {
  const pairs = [
    ['realm', realm],
    ['service', service],
    ['scope', scope],
    ['error', error],
  ] as const
  return `Bearer ${pairs.flatMap(([name, value]) => (value === undefined ? [] : [`${name}="${value.replaceAll(/["\\]/g, '\\$&')}"`])).join(',')}`
}
