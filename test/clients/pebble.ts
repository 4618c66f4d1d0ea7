/** Pebble, the small ACME authority that Let's Encrypt makes for tests: every name leads to 127.0.0.1. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeCertificates } from '../support/certificates.ts'
import { startDaemon } from '../support/daemon.ts'
import { freePort } from '../support/free-port.ts'
import { sendRequest } from '../support/http-client.ts'

export interface PebbleOptions {
  /** Where it looks for http-01. */
  readonly httpPort: number
  /** Where it looks for tls-alpn-01. */
  readonly tlsPort: number
  /** How long its certificates live. */
  readonly validitySeconds?: number
  /** Its policy, by its own names: `PEBBLE_WFE_NONCEREJECT` and others. */
  readonly env?: Readonly<Record<string, string>>
  /** Hosts that it refuses. */
  readonly blocked?: readonly string[]
  /** Customers' keys by name, in base64url: accounts must name one. */
  readonly externalAccounts?: Readonly<Record<string, string>>
}

export interface Pebble extends AsyncDisposable {
  readonly directoryUrl: string
  /** PEM file of the authority of the directory's own certificate. */
  readonly trustedCa: string
  /** PEM of the root of the certificates that it issues. */
  root(): Promise<string>
  logs(): string
}

/** Starts it in the directory, with a name server of its own. */
export async function startPebble(directory: string, options: PebbleOptions): Promise<Pebble> {
  await using stack = new AsyncDisposableStack()
  const own = await makeCertificates(directory, ['IP:127.0.0.1'])
  const [port, managementPort, dnsPort, dnsManagementPort] = await Promise.all([freePort(), freePort(), freePort(), freePort()])
  const file = join(directory, 'pebble.json')
  const pebble = {
    listenAddress: `127.0.0.1:${port}`,
    managementListenAddress: `127.0.0.1:${managementPort}`,
    certificate: own.certificateFile,
    privateKey: own.keyFile,
    httpPort: options.httpPort,
    tlsPort: options.tlsPort,
    ocspResponderURL: '',
    externalAccountBindingRequired: options.externalAccounts !== undefined,
    externalAccountMACKeys: options.externalAccounts ?? {},
    domainBlocklist: options.blocked ?? [],
    ...(options.validitySeconds === undefined ? {} : { certificateValidityPeriod: options.validitySeconds }),
  }
  await writeFile(file, JSON.stringify({ pebble }))
  const names = ['-dns01', `127.0.0.1:${dnsPort}`, '-management', `127.0.0.1:${dnsManagementPort}`]
  const unused = ['-http01', '', '-https01', '', '-tlsalpn01', '']
  const addresses = ['-defaultIPv4', '127.0.0.1', '-defaultIPv6', '']
  const reachable = (url: string) =>
    sendRequest(url, { ca: own.authority, timeoutMs: 1_000 }).then(
      () => true,
      () => false,
    )
  stack.use(
    await startDaemon(['pebble-challtestsrv', ...names, ...unused, ...addresses], () =>
      reachable(`http://127.0.0.1:${dnsManagementPort}/`),
    ),
  )
  const directoryUrl = `https://127.0.0.1:${port}/dir`
  const daemon = stack.use(
    await startDaemon(['pebble', '-config', file, '-dnsserver', `127.0.0.1:${dnsPort}`], () => reachable(directoryUrl), {
      env: { ...process.env, PEBBLE_VA_NOSLEEP: '1', ...options.env },
    }),
  )
  const running = stack.move()
  return {
    directoryUrl,
    trustedCa: own.authorityFile,
    root: async () => String((await sendRequest(`https://127.0.0.1:${managementPort}/roots/0`, { ca: own.authority })).body),
    logs: () => daemon.logs(),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}
