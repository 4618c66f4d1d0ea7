/** Values → the parts of Config about tokens and secrets. */
import { join, resolve } from 'node:path'
import type { AuthConfig, Config, SecretsConfig, TokensConfig } from './config.ts'
import { directoryBeside } from './database-place.ts'
import type { Listener } from './environment.ts'
import { parseSecretKey, splitSecretKeys } from './keys-access.ts'
import type { Values } from './validate.ts'

/** Keys given outright need no file; a database in memory outlives no process, and neither do its keys. */
export function buildSecrets(
  values: Values,
  { cwd }: { readonly cwd: string },
  data: Pick<Config, 'database' | 'storage'>,
  { problem }: Pick<Listener, 'problem'>,
): SecretsConfig {
  const keys = splitSecretKeys(values.get('secrets.key') ?? '')
    .map(parseSecretKey)
    .filter((key) => key !== undefined)
  const file = values.get('secrets.keyfile')
  if (keys.length > 0) return { keys, keyFile: undefined }
  if (file !== undefined && file !== '') return { keys, keyFile: resolve(cwd, file) }
  const directory = directoryBeside(data)
  // A database that outlives the process needs a key that does.
  if (directory === undefined && data.database.driver === 'postgres')
    problem({
      path: 'secrets.keyfile',
      expected: 'the file of the key that seals secrets (or secrets.key), as there is no data directory for it',
    })
  return { keys, keyFile: directory === undefined ? undefined : join(directory, 'berth.key') }
}

export function buildTokens(values: Values): TokensConfig {
  return {
    algorithm: values.get('tokens.algorithm') === 'rs256' ? 'RS256' : 'ES256',
    lifetimeMs: values.get('tokens.lifetime'),
    issuer: values.get('tokens.issuer'),
    service: values.get('tokens.service'),
  }
}

/** registry:2 asks for the same keys; one missing stops the start. */
export function buildOutsideToken(values: Values, cwd: string, problem: Listener['problem']): AuthConfig {
  const isRedirecting = values.get('auth.token.autoredirect')
  const required = (name: 'realm' | 'service' | 'issuer', expected: string) => {
    const value = values.get(`auth.token.${name}`)
    if (value === undefined) problem({ path: `auth.token.${name}`, expected })
    return value ?? ''
  }
  const rootCertBundle = absolute(cwd, values.get('auth.token.rootcertbundle'))
  const jwks = absolute(cwd, values.get('auth.token.jwks'))
  if (rootCertBundle === undefined && jwks === undefined) {
    problem({ path: 'auth.token', expected: 'rootcertbundle or jwks, with the keys that tokens are signed by' })
  }
  return {
    kind: 'token',
    realm: isRedirecting ? (values.get('auth.token.realm') ?? '') : required('realm', 'the URL of the token server'),
    autoRedirectPath: isRedirecting ? values.get('auth.token.autoredirectpath') : undefined,
    service: required('service', 'the name of this registry at the token server'),
    issuer: required('issuer', 'the name of the token server'),
    rootCertBundle,
    jwks,
    signingAlgorithms: values.get('auth.token.signingalgorithms'),
  }
}

function absolute(cwd: string, path: string | undefined): string | undefined {
  return path === undefined || path === '' ? undefined : resolve(cwd, path)
}
