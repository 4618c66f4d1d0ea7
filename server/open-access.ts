/**
 * The part of the composition root that wires access: what watches the epoch, what opens sealed secrets, and who knows which kind of credential.
 * Of its own so that tests which serve the rooms in process have the same wiring.
 */
import { join } from 'node:path'
import { createAccess, type Access } from '#access/access.ts'
import { certificateOwners } from '#access/certificates.ts'
import type { Directory } from '#access/directory.ts'
import { openConfiguredFile } from '#access/htpasswd-configured.ts'
import { fileDirectoryName } from '#access/htpasswd-place.ts'
import type { AccessEpoch, WatchedAccess } from '#metadata/watch-access.ts'
import type { VerifyBearer, VerifyWorkload } from '#access/hooks.ts'
import { ProjectMap } from '#access/locate.ts'
import { onboard } from '#access/onboard.ts'
import { warnOfOpenGrants } from '#access/open-to-everyone.ts'
import { createPasswordProviders, type PasswordProviders } from '#access/password-providers.ts'
import { tokenFinder } from '#access/personal-tokens.ts'
import { unknownSecret } from '#access/refused-credential.ts'
import { findSession } from '#access/sessions.ts'
import { openSecretBox } from '#access/open-secret-box.ts'
import { createTokenDesk, type TokenDesk } from '#access/token-desk.ts'
import type { WorkloadParts } from '#access/workload.ts'
import type { Config } from '#config/config.ts'
import { directoryBeside } from '#config/database-place.ts'
import { createAddressGuard } from '#lib/address-guard.ts'
import type { Logger } from '#lib/logger.ts'
import type { Metrics } from '#lib/metrics.ts'
import { createOutgoingHttp, type OutgoingHttp } from '#lib/outgoing-http.ts'
import type { Ports } from '#lib/ports.ts'

/** What is there before. `watched`: see metadata/watch-access.ts. */
export interface AccessSurroundings {
  readonly watched: WatchedAccess
  readonly metrics: Metrics
  readonly ports: Ports
  readonly log: Logger
  /** What is sealed under a key that is lost is given up. */
  readonly startsSecretsAnew?: boolean | undefined
}

/** Access, and the directory that its verbs take. */
export interface OpenedAccess {
  readonly access: Access
  readonly directory: Directory
  /** Undefined in an open registry, and where an outside token server issues them. */
  readonly tokens: TokenDesk | undefined
  /** Directories that passwords are tried at; disposing closes the connections to them. */
  readonly passwords: PasswordProviders
  /** Connections to issuers of workload tokens. */
  readonly issuers: AsyncDisposable
}

/** Rejects when the file of keys or of passwords cannot be read, or the keys open nothing of what is sealed. */
export async function openAccess(
  config: Config,
  { watched, metrics, ports, log, startsSecretsAnew }: AccessSurroundings,
): Promise<OpenedAccess> {
  const { metadata, epoch } = watched
  const secrets = await openSecretBox(config.secrets, { reader: metadata.reader, ports, startsAnew: startsSecretsAnew })
  const directory: Directory = { metadata, ports, log, secrets, passwordFiles: passwordFilesOf(config) }
  const configuredFile = await openConfiguredFile(directory, config.auth)
  if (config.auth.kind !== 'open') await warnOfOpenGrants(directory)
  const guard = createAddressGuard(config.outgoing.allowedNetworks)
  const passwords = createPasswordProviders({ directory, epoch, guard, configuredFile })
  const keepFresh = (userId: number) => passwords.keepFresh(userId)
  const isOwn = config.auth.kind !== 'open' && config.auth.kind !== 'token'
  const tokens = isOwn ? createTokenDesk({ directory, epoch, config: config.tokens, keepFresh }) : undefined
  const issuers = outgoingOf(config, ports)
  const access = createAccess(config.auth, {
    directory,
    epoch,
    service: config.tokens.service,
    verifyBearer: await bearerVerifier(config.auth, { directory, epoch, tokens }),
    ...(tokens === undefined
      ? {}
      : {
          findToken: tokenFinder(directory),
          explainToken: (secret) => unknownSecret(metadata.reader, secret),
          verifyWorkload: lateWorkloadVerifier({ directory, epoch, outgoing: issuers.to }),
        }),
    findSession: (cookie, look) => findSession(directory, cookie, look),
    findCertificateOwner: certificateOwners(directory, epoch),
    passwordProviders: () => passwords.list(),
    passwordFiles: () => passwords.files(),
    keepFresh,
    isLocalOn: () => passwords.isLocalOn(),
    onboard: (providerId, identity, { address, userAgent, requestId }) =>
      onboard(directory, { providerId, identity }, { actor: '', requestId, address, userAgent }),
    noteAttempt: (kind, outcome) => metrics.countAuthAttempt(kind, outcome),
  })
  return { access, directory, tokens, passwords, issuers }
}

/** Only whoever runs the server puts files there. */
function passwordFilesOf(config: Config): string | undefined {
  const directory = directoryBeside(config)
  return directory === undefined ? undefined : join(directory, fileDirectoryName)
}

interface BearerSurroundings {
  readonly directory: Directory
  readonly epoch: AccessEpoch
  readonly tokens: TokenDesk | undefined
}

/** Tokens are checked by who issues them: Berth itself, or the outside server of `auth.token`. */
async function bearerVerifier(auth: Config['auth'], { directory, epoch, tokens }: BearerSurroundings): Promise<VerifyBearer | undefined> {
  if (auth.kind !== 'token') return tokens && ((token) => tokens.bearer.verify(token))
  const { outsideVerifier } = await import('#access/outside-token.ts')
  return await outsideVerifier(auth, { ports: directory.ports, projects: new ProjectMap(directory.metadata.reader, epoch) })
}

/** Loaded with its library at the first token of a workload: most starts see none. */
function lateWorkloadVerifier(parts: WorkloadParts): VerifyWorkload {
  let verifier: Promise<VerifyWorkload> | undefined
  return async (token, name) => {
    verifier ??= import('#access/workload.ts').then(({ workloadVerifier }) => workloadVerifier(parts))
    return await (
      await verifier
    )(token, name)
  }
}

/** Ways out to issuers of workload tokens, one for each set of authorities, and others for this very machine; disposing closes their connections. */
function outgoingOf(
  { outgoing }: Config,
  { timers }: Ports,
): AsyncDisposable & { readonly to: (authorities: string, allowHttp: boolean) => OutgoingHttp } {
  const guard = createAddressGuard(outgoing.allowedNetworks)
  const made = new Map<string, OutgoingHttp>()
  return {
    to(authorities, allowHttp) {
      const key = `${allowHttp} ${authorities}`
      const trusted = authorities === '' ? undefined : authorities
      const known = made.get(key) ?? createOutgoingHttp({ guard, timers, authorities: trusted, allowHttp })
      made.set(key, known)
      return known
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...made.values()].map((way) => way[Symbol.asyncDispose]()))
    },
  }
}
