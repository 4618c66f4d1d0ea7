import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from './run-command.ts'

/** Files of a throw-away certificate authority and one server certificate that it signed. */
export interface Certificates {
  readonly authorityFile: string
  readonly authority: string
  readonly certificateFile: string
  readonly keyFile: string
}

/** Makes a certificate authority and a certificate for these names (`DNS:a.test`, `IP:127.0.0.1`), valid for two days. */
export async function makeCertificates(directory: string, names: readonly string[]): Promise<Certificates> {
  const file = (name: string) => join(directory, name)
  const ecKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const extensions = file('extensions')
  await run([
    'openssl',
    'req',
    '-x509',
    ...ecKey,
    '-keyout',
    file('ca.key'),
    '-out',
    file('ca.crt'),
    '-days',
    '2',
    '-subj',
    '/CN=Berth test authority',
  ])
  await run(['openssl', 'req', ...ecKey, '-keyout', file('server.key'), '-out', file('server.csr'), '-subj', '/CN=Berth test server'])
  await writeFile(extensions, `subjectAltName=${names.join(',')}\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n`)
  await run([
    'openssl',
    'x509',
    '-req',
    '-in',
    file('server.csr'),
    '-CA',
    file('ca.crt'),
    '-CAkey',
    file('ca.key'),
    '-CAcreateserial',
    '-days',
    '2',
    '-extfile',
    extensions,
    '-out',
    file('server.crt'),
  ])
  return {
    authorityFile: file('ca.crt'),
    authority: await readFile(file('ca.crt'), 'utf8'),
    certificateFile: file('server.crt'),
    keyFile: file('server.key'),
  }
}
