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

/** A client's certificate by the authority that {@link makeCertificates} made in the same directory. */
export interface ClientCertificate {
  readonly certificate: string
  readonly key: string
  readonly certificateFile: string
  readonly keyFile: string
}

/** `subject` as openssl takes it (`/CN=alice`); `names` for subjectAltName. */
export async function makeClientCertificate(
  directory: string,
  name: string,
  subject: string,
  names: readonly string[],
): Promise<ClientCertificate> {
  const file = (extension: string) => join(directory, `client-${name}.${extension}`)
  const ecKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  await run(['openssl', 'req', ...ecKey, '-keyout', file('key'), '-out', file('csr'), '-subj', subject])
  const alternative = names.length === 0 ? '' : `subjectAltName=${names.join(',')}\n`
  await writeFile(file('ext'), `${alternative}extendedKeyUsage=clientAuth\nbasicConstraints=CA:FALSE\n`)
  const authority = ['-CA', join(directory, 'ca.crt'), '-CAkey', join(directory, 'ca.key'), '-CAcreateserial']
  await run(['openssl', 'x509', '-req', '-in', file('csr'), ...authority, '-days', '2', '-extfile', file('ext'), '-out', file('crt')])
  return {
    certificate: await readFile(file('crt'), 'utf8'),
    key: await readFile(file('key'), 'utf8'),
    certificateFile: file('crt'),
    keyFile: file('key'),
  }
}

async function openssl(directory: string, args: readonly string[]): Promise<void> {
  const config = join(directory, 'crl.cnf')
  const lines = ['[ca]', 'default_ca=it', '[it]', `database=${join(directory, 'index.txt')}`, 'default_md=sha256', 'default_crl_days=2']
  await writeFile(config, `${lines.join('\n')}\n`)
  const authority = ['-config', config, '-cert', join(directory, 'ca.crt'), '-keyfile', join(directory, 'ca.key')]
  await run(['openssl', 'ca', ...authority, ...args])
}

/** Writes `ca.crl` in the directory: who has been revoked so far. */
export async function writeRevocations(directory: string): Promise<void> {
  await writeFile(join(directory, 'index.txt'), '', { flag: 'a' })
  await openssl(directory, ['-gencrl', '-out', join(directory, 'ca.crl')])
}

/** Revokes a client's certificate and writes the list again. */
export async function revoke(directory: string, name: string): Promise<void> {
  await openssl(directory, ['-revoke', join(directory, `client-${name}.crt`)])
  await writeRevocations(directory)
}
