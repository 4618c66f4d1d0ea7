/**
 * Whose a client certificate is.
 *
 * TLS has verified it before (`http.tls.clientcas`, `http.tls.crls`); providers of kind `certificate` say which part of it is a name, and of what. A person's account is
 * opened by a certificate that it is linked with, by (provider, issuer, name), or that made it; by a name alone only where the provider's `matchesNames`
 * says that its authority may be trusted so far. A robot is found by its login name, for robots have no identities. What was found is
 * remembered until the access epoch changes.
 */
import type { CertificateSettings } from '#api/provider-settings.ts'
import type { Who } from '#events/event.ts'
import { findUserFacts } from '#metadata/account-facts.ts'
import { findIdentity } from '#metadata/identities.ts'
import { enabledProviders, findProviderFacts, type ProviderFacts } from '#metadata/provider-facts.ts'
import { robotNamed } from '#metadata/robots.ts'
import { RegistryError } from '#oci/errors.ts'
import { accountNameFrom } from './account-name.ts'
import type { Directory } from './directory.ts'
import { EpochMemory, type AccessEpoch } from '#metadata/watch-access.ts'
import type { FindCertificateOwner, PeerCertificateFacts } from './hooks.ts'
import { linkIdentity } from './identities.ts'
import { onboard } from './onboard.ts'
import type { ExternalIdentity } from './password-provider.ts'
import { parseRobotName } from './robot-name.ts'

const rememberedMax = 10_000
const who: Who = { actor: '', requestId: '', credential: 'certificate' }

type Owner = NonNullable<Awaited<ReturnType<FindCertificateOwner>>>

/** The hook that Access asks. */
export function certificateOwners(directory: Directory, epoch: AccessEpoch): FindCertificateOwner {
  const remembered = new EpochMemory<Owner>(epoch, rememberedMax)
  return (certificate) => remembered.get(certificate.fingerprint256, () => findOwner(directory, certificate))
}

async function findOwner(directory: Directory, certificate: PeerCertificateFacts): Promise<Owner | undefined> {
  for (const provider of await enabledProviders(directory.metadata.reader, 'certificate')) {
    const settings = provider.settings as CertificateSettings
    const name = nameOf(certificate, settings)
    if (name === undefined) continue
    const owner = settings.target === 'robot' ? await robotOf(directory, name) : await personOf(directory, provider, { certificate, name })
    if (owner !== undefined) return owner
  }
  return undefined
}

/** The one name that the certificate bears for this provider; undefined for none and for several: who has two names here is nobody. */
export function nameOf(certificate: PeerCertificateFacts, settings: CertificateSettings): string | undefined {
  const { source, prefix, suffix, issuer } = settings
  if (issuer !== '' && certificate.issuer !== issuer) return undefined
  const fitting = partsOf(certificate, source).filter(
    (part) => part.length > prefix.length + suffix.length && part.startsWith(prefix) && part.endsWith(suffix),
  )
  const [only] = fitting
  return fitting.length === 1 ? only?.slice(prefix.length, only.length - suffix.length) : undefined
}

function partsOf({ commonName, subject, names }: PeerCertificateFacts, source: CertificateSettings['source']): readonly string[] {
  if (source === 'commonName') return commonName === undefined ? [] : [commonName]
  if (source === 'subject') return [subject]
  const kind = { dns: 'DNS:', email: 'email:', uri: 'URI:' }[source]
  return names.filter((name) => name.startsWith(kind)).map((name) => name.slice(kind.length))
}

async function robotOf({ metadata }: Directory, name: string): Promise<Owner | undefined> {
  const parsed = parseRobotName(name)
  const robot = parsed && (await robotNamed(metadata.reader, parsed.name, parsed.project))
  return robot && { kind: 'robot', id: robot.id }
}

interface Named {
  readonly certificate: PeerCertificateFacts
  readonly name: string
}

function identityOf({ certificate, name }: Named): ExternalIdentity {
  const email = certificate.names.find((each) => each.startsWith('email:'))?.slice('email:'.length) ?? ''
  return {
    issuer: certificate.issuer ?? '',
    subject: name,
    name,
    displayName: certificate.commonName ?? name,
    email,
    groups: [],
    isAdministrator: undefined,
    attributes: { subject: certificate.subject },
  }
}

async function personOf(directory: Directory, provider: ProviderFacts, named: Named): Promise<Owner | undefined> {
  const { reader } = directory.metadata
  const identity = identityOf(named)
  const settings = provider.settings as CertificateSettings
  const known = await findIdentity(reader, { providerId: provider.id, issuer: identity.issuer, subject: identity.subject })
  if (known !== undefined) return { kind: 'user', id: known.userId }
  const wanted = accountNameFrom(named.name)
  if (settings.matchesNames && wanted !== undefined) {
    const user = (await findUserFacts(reader, { name: named.name })) ?? (await findUserFacts(reader, { name: wanted }))
    if (user !== undefined) return { kind: 'user', id: user.id }
  }
  if (!settings.createsAccounts) return undefined
  try {
    return { kind: 'user', id: (await onboard(directory, { providerId: provider.id, identity }, who)).userId }
  } catch (error) {
    if (!(error instanceof RegistryError) || error.status >= 500) throw error
    directory.log.warn({ provider: provider.name, reason: error.message }, 'a client certificate gets no account')
    return undefined
  }
}

/** Links the certificate of this very connection with the account. Throws CONFLICT when there is none, or it is another account's. */
export async function linkCertificate(
  directory: Directory,
  link: { readonly provider: string; readonly userId: number; readonly certificate: PeerCertificateFacts | undefined },
  by: Who,
): Promise<void> {
  const provider = await findProviderFacts(directory.metadata.reader, { name: link.provider })
  if (provider?.kind !== 'certificate' || !provider.isEnabled) throw new RegistryError('RESOURCE_UNKNOWN')
  const settings = provider.settings as CertificateSettings
  const { certificate } = link
  const name = certificate === undefined || settings.target === 'robot' ? undefined : nameOf(certificate, settings)
  if (certificate === undefined || name === undefined) {
    throw new RegistryError('CONFLICT', undefined, {
      message: 'this connection has no client certificate that the provider reads a name from',
    })
  }
  await linkIdentity(directory, { userId: link.userId, providerId: provider.id, identity: identityOf({ certificate, name }) }, by)
}

/** Whether the provider of that name reads client certificates. */
export async function isCertificateProvider({ metadata }: Directory, name: string): Promise<boolean> {
  return (await findProviderFacts(metadata.reader, { name }))?.kind === 'certificate'
}
