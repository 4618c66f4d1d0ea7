/**
 * Opens a container of Azure Blob Storage with the credentials that a configuration names, and signs URLs of its blobs. The service's library (a quarter of a
 * second and 40 MB) is loaded by the first request, and so only where it is configured.
 */
import type * as AzureLibrary from '@azure/storage-blob'
import type { ContainerClient, StorageSharedKeyCredential, UserDelegationKey } from '@azure/storage-blob'
import type { Clock } from '#lib/ports.ts'
import type { AzureBackendOptions } from './azure-backend.ts'
import { faultOfAzure } from './azure-error.ts'
import type { TokenSource } from './azure-tokens.ts'
import { ObjectError } from './object-backend.ts'

type AzureContainer = AzureBackendOptions['container']

/** Who Berth is for the service. */
export type AzureCredentials =
  | { readonly kind: 'key'; readonly accountName: string; readonly accountKey: string }
  /** A shared access signature, without a question mark. */
  | { readonly kind: 'sas'; readonly token: string }
  | { readonly kind: 'token'; readonly source: TokenSource }

export interface AzureContainerOptions {
  /** Of the blob service, with the account in it. */
  readonly endpoint: string
  readonly accountName: string
  readonly container: string
  readonly credentials: AzureCredentials
  readonly clock: Pick<Clock, 'now'>
}

const hourMs = 3_600_000
/** A key that signs for users lives a week at most. */
const delegationMs = 24 * hourMs
const refusedMs = 600_000

/** Loads and asks nothing yet. */
export function openAzureContainer(options: AzureContainerOptions): AzureContainer {
  const { credentials } = options
  let opening: Promise<Opened> | undefined
  const opened = () => (opening ??= open(options))
  const delegation = new Delegation(options.clock)
  return {
    client: async () => (await opened()).client,
    async sign(blobName, lifetimeMs) {
      if (credentials.kind === 'sas') return undefined
      const { library, client, sharedKey } = await opened()
      const expiresAt = options.clock.now() + lifetimeMs
      const values = {
        containerName: options.container,
        blobName,
        permissions: library.BlobSASPermissions.parse('r'),
        expiresOn: new Date(expiresAt),
      }
      if (sharedKey !== undefined) return library.generateBlobSASQueryParameters(values, sharedKey).toString()
      const key = await delegation.key(expiresAt, (startsOn, expiresOn) =>
        serviceOf(library, client).getUserDelegationKey(startsOn, expiresOn),
      )
      return key && library.generateBlobSASQueryParameters(values, key, options.accountName).toString()
    },
  }
}

type Library = typeof AzureLibrary

interface Opened {
  readonly library: Library
  readonly client: ContainerClient
  readonly sharedKey: StorageSharedKeyCredential | undefined
}

async function open({ endpoint, container, credentials }: AzureContainerOptions): Promise<Opened> {
  const library = await import('@azure/storage-blob')
  const sharedKey =
    credentials.kind === 'key' ? new library.StorageSharedKeyCredential(credentials.accountName, credentials.accountKey) : undefined
  const who = credentials.kind === 'token' ? credentials.source : (sharedKey ?? new library.AnonymousCredential())
  const url = `${endpoint}/${encodeURIComponent(container)}${credentials.kind === 'sas' ? `?${credentials.token}` : ''}`
  // Whether and when a request is repeated is for object-retry.ts to say.
  const options = { retryOptions: { maxTries: 1 }, userAgentOptions: { userAgentPrefix: 'berth' } }
  return { library, client: new library.ContainerClient(url, who, options), sharedKey }
}

/** The service that the container is in, with the container's credentials. */
function serviceOf(library: Library, { url, credential }: ContainerClient) {
  const service = new URL(url)
  service.pathname = service.pathname.slice(0, service.pathname.lastIndexOf('/'))
  return new library.BlobServiceClient(service.href, credential, { retryOptions: { maxTries: 1 } })
}

/** Keeps the key by which a token's owner signs URLs: one request a day. */
class Delegation {
  readonly #clock: Pick<Clock, 'now'>
  #key: { readonly key: UserDelegationKey; readonly until: number } | undefined
  #refusedUntil = 0
  #asking: Promise<UserDelegationKey | undefined> | undefined

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
  }

  /** A key that is good until then. Undefined where there is none to have: such a role lacks, for example. */
  async key(until: number, ask: (startsOn: Date, expiresOn: Date) => Promise<UserDelegationKey>): Promise<UserDelegationKey | undefined> {
    if (this.#key !== undefined && this.#key.until > until) return this.#key.key
    if (this.#clock.now() < this.#refusedUntil) return undefined
    this.#asking ??= this.#renew(until, ask).finally(() => (this.#asking = undefined))
    return this.#asking
  }

  async #renew(
    until: number,
    ask: (startsOn: Date, expiresOn: Date) => Promise<UserDelegationKey>,
  ): Promise<UserDelegationKey | undefined> {
    const now = this.#clock.now()
    const latest = Math.min(Math.max(now + delegationMs, until + hourMs), now + 7 * 24 * hourMs - 60_000)
    try {
      // A clock that is a little ahead of the service's must not make it a key of the future.
      const key = await ask(new Date(now - 15 * 60_000), new Date(latest))
      this.#key = { key, until: latest }
      return key
    } catch (error) {
      const fault = faultOfAzure(error)
      if (!(fault instanceof ObjectError) || fault.fault !== 'refused') throw fault
      this.#refusedUntil = now + refusedMs
      return undefined
    }
  }
}
