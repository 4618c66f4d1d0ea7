import { readFileSync } from 'node:fs'
import { basicAuthorization } from '../support/http-client.ts'
import { registryClient } from '../support/registry-client.ts'
import type { RegistryClient } from '../support/registry-client.ts'

interface ServerAddress {
  readonly url: string
  /** `name:port`, as image references start. */
  readonly host: string
  readonly users: Readonly<Record<string, string>>
  /** The certificate authority to trust; absent on plain HTTP. */
  readonly authorityFile?: string
}

/** What run.ts hands to every test file. */
export interface ServersFile {
  readonly plain: ServerAddress
  readonly tls: ServerAddress & { readonly authorityFile: string }
  readonly open: ServerAddress
}

/** A running registry and the test's own way into it, past the client under test. */
export interface Server extends ServerAddress {
  readonly name: 'plain' | 'tls' | 'open'
  readonly direct: RegistryClient
}

export const user = 'alice'
export const password = 'wonderland'

const path = process.env['BERTH_CLIENTS_SERVERS']
if (path === undefined) throw new Error('The client tests run by `npm run test:clients [-- docker …]`, which starts the registries.')
const addresses = JSON.parse(readFileSync(path, 'utf8')) as ServersFile

export const plain: Server = serverOf('plain', addresses.plain)
export const tls: Server & { readonly authorityFile: string } = {
  ...serverOf('tls', addresses.tls),
  authorityFile: addresses.tls.authorityFile,
}
export const open: Server = serverOf('open', addresses.open)

function serverOf(name: Server['name'], address: ServerAddress): Server {
  const authorization = name === 'open' ? {} : { authorization: basicAuthorization(user, password) }
  const trust = address.authorityFile === undefined ? {} : { ca: readFileSync(address.authorityFile, 'utf8') }
  return { ...address, name, direct: registryClient(address.url, { ...authorization, ...trust }) }
}

/** A containers/image authentication file for these servers, as `skopeo login` would write it. */
export function authFile(servers: readonly Server[]): string {
  const auth = Buffer.from(`${user}:${password}`).toString('base64')
  return JSON.stringify({ auths: Object.fromEntries(servers.map(({ host }) => [host, { auth }])) })
}
