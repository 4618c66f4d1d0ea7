/** The blob store on Azure Blob Storage that a configuration describes. */
import type { AzureConfig } from '#config/config.ts'
import type { Ports } from '#lib/ports.ts'
import { createAzureBackend } from './azure-backend.ts'
import { openAzureContainer, type AzureCredentials } from './azure-container.ts'
import { applicationTokens, defaultTokens } from './azure-tokens.ts'
import type { ObjectBackend } from './object-backend.ts'

type AzurePorts = Pick<Ports, 'clock' | 'random' | 'files'>

/** The service of `storage.azure`. Asks nothing of it yet. */
export function openAzure(config: AzureConfig, ports: AzurePorts): ObjectBackend {
  const { endpoint, accountName, container, prefix } = config
  const opened = openAzureContainer({ endpoint, accountName, container, credentials: credentialsOf(config, ports), clock: ports.clock })
  return createAzureBackend({ container: opened, random: ports.random, prefix })
}

function credentialsOf({ credentials, accountName, authority }: AzureConfig, { clock, files }: AzurePorts): AzureCredentials {
  const surroundings = { clock, fetch }
  switch (credentials.kind) {
    case 'shared_key':
      return { kind: 'key', accountName, accountKey: credentials.accountKey }
    case 'sas':
      return credentials
    case 'client_secret': {
      const { tenantId, clientId, secret } = credentials
      return { kind: 'token', source: applicationTokens({ authority, tenantId, clientId, proof: async () => ({ secret }) }, surroundings) }
    }
    case 'default_credentials':
      // oxlint-disable-next-line no-process-env -- Azure's own variables, by which its tools and Kubernetes say who a process is
      return { kind: 'token', source: defaultTokens(process.env, { ...surroundings, authority, clientId: credentials.clientId, files }) }
  }
}
