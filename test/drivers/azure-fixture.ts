/** A store of its own in a container of its own, on a service that speaks as Azure Blob Storage does. */
import { randomUUID } from 'node:crypto'
import { ContainerClient, StorageSharedKeyCredential } from '@azure/storage-blob'
import { createAzureBackend } from '#blobs/azure-backend.ts'
import { openAzureContainer } from '#blobs/azure-container.ts'
import { createObjectStore, type ObjectStoreOptions } from '#blobs/object-store.ts'
import type { ObjectBackend } from '#blobs/object-backend.ts'
import { systemPorts } from '#lib/ports.ts'
import type { OpenStore } from './store-fixture.ts'

/** Where a service is and who may use it. */
export interface AzureService {
  /** With the account in its path. */
  readonly endpoint: string
  readonly accountName: string
  readonly accountKey: string
}

/** The service's own client, to look at what a store did. */
export function containerOf({ endpoint, accountName, accountKey }: AzureService, container: string): ContainerClient {
  return new ContainerClient(`${endpoint}/${container}`, new StorageSharedKeyCredential(accountName, accountKey))
}

/** A backend on a container of the service. */
export function azureBackend({ endpoint, accountName, accountKey }: AzureService, container: string): ObjectBackend {
  const credentials = { kind: 'key', accountName, accountKey } as const
  const opened = openAzureContainer({ endpoint, accountName, container, credentials, clock: systemPorts.clock })
  return createAzureBackend({ container: opened, random: systemPorts.random, prefix: 'registry/' })
}

/** Makes a container and a store in it, or another store on the one that is named. `leftovers` is every blob that is committed. */
export async function openAzure(
  service: AzureService,
  { container: named, store: more }: { readonly container?: string; readonly store?: Partial<ObjectStoreOptions> } = {},
): Promise<OpenStore & { readonly container: string }> {
  const container = named ?? `berth-${randomUUID()}`
  const client = containerOf(service, container)
  if (named === undefined) await client.create()
  const store = createObjectStore({ backend: azureBackend(service, container), ports: systemPorts, ...more })
  const leftovers = async () => {
    const names: string[] = []
    for await (const { name } of client.listBlobsFlat()) names.push(name)
    return names
  }
  const cleanup = async () => {
    if (named === undefined) await client.delete()
  }
  return { store, container, leftovers, cleanup }
}
