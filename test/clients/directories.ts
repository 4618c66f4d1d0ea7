/** Real directories for tests: OpenLDAP's slapd, and Samba as the domain controller of an Active Directory. Each in a directory of its own, gone at the end. */
import { existsSync } from 'node:fs'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeCertificates, type Certificates } from '../support/certificates.ts'
import { startDaemon, type Daemon } from '../support/daemon.ts'
import { freePort } from '../support/free-port.ts'
import { run, tryCommand } from '../support/run-command.ts'
import type { RunningBerth } from '../support/start-berth.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { until } from '../support/until.ts'

/** What of the test machine is needed; undefined when all is there. */
export function missingPrograms(...programs: readonly string[]): string | undefined {
  const missing = programs.filter((program) => !['/usr/sbin', '/usr/bin', '/sbin', '/bin'].some((path) => existsSync(join(path, program))))
  return missing.length === 0 ? undefined : `not installed: ${missing.join(', ')}`
}

/** What the first start shows once: it comes after the registry answers. */
export async function administratorPassword(berth: RunningBerth): Promise<string> {
  const shown = () => /^\s*password\s+(\S+)$/mu.exec(berth.logs())?.[1]
  await until('the first password is shown', () => shown() !== undefined)
  return shown() ?? ''
}

/** A directory that answers. */
export interface DirectoryServer extends AsyncDisposable {
  readonly ldapUrl: string
  readonly ldapsUrl: string
  readonly certificates: Certificates
  readonly bindDn: string
  readonly bindPassword: string
  readonly searchBase: string
  /** The text of entries or changes, given to the directory's own tools. */
  change(ldif: string): Promise<void>
  stop(): Promise<void>
  restart(): Promise<void>
  logs(): string
}

const people = 'ou=people,dc=example,dc=org'
const groups = 'ou=groups,dc=example,dc=org'

/** An OpenLDAP with memberOf; people alice (in devs, below all), bob (in nothing), `carol` (in a group of 2,000), groups in a circle. */
export async function startSlapd(options: { readonly extraGroups?: number } = {}): Promise<DirectoryServer> {
  const work = await temporaryDirectory('slapd')
  const file = (...parts: string[]) => join(work.path, ...parts)
  await mkdir(file('db'))
  const certificates = await makeCertificates(work.path, ['DNS:localhost', 'IP:127.0.0.1'])
  const [port, tlsPort] = [await freePort(), await freePort()]
  const bindPassword = 'adm1n-of-the-tree'
  await writeFile(file('slapd.conf'), slapdConfig(file, bindPassword))
  await writeFile(file('tree.ldif'), tree(options.extraGroups ?? 0))
  await run(['/usr/sbin/slapadd', '-q', '-f', file('slapd.conf'), '-l', file('tree.ldif')])
  const ldapUrl = `ldap://127.0.0.1:${port}`
  const bindDn = 'cn=admin,dc=example,dc=org'
  const start = () =>
    startDaemon(['/usr/sbin/slapd', '-d', '0', '-f', file('slapd.conf'), '-h', `${ldapUrl} ldaps://127.0.0.1:${tlsPort}`], () =>
      answers(ldapUrl),
    )
  let daemon: Daemon | undefined = await start()
  return {
    ldapUrl,
    ldapsUrl: `ldaps://127.0.0.1:${tlsPort}`,
    certificates,
    bindDn,
    bindPassword,
    searchBase: 'dc=example,dc=org',
    change: async (ldif) => void (await run(['ldapmodify', '-x', '-H', ldapUrl, '-D', bindDn, '-w', bindPassword], { input: ldif })),
    stop: async () => {
      await daemon?.stop()
      daemon = undefined
    },
    restart: async () => {
      daemon ??= await start()
    },
    logs: () => daemon?.logs() ?? '',
    [Symbol.asyncDispose]: async () => {
      await daemon?.stop()
      await work[Symbol.asyncDispose]()
    },
  }
}

async function answers(url: string): Promise<boolean> {
  const { status } = await tryCommand(['ldapsearch', '-x', '-H', url, '-s', 'base', '-b', '', '1.1'])
  return status === 0
}

function slapdConfig(file: (...parts: string[]) => string, rootPassword: string): string {
  return `
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
TLSCertificateFile ${file('server.crt')}
TLSCertificateKeyFile ${file('server.key')}
pidfile ${file('slapd.pid')}
argsfile ${file('slapd.args')}
database mdb
maxsize 67108864
suffix "dc=example,dc=org"
rootdn "cn=admin,dc=example,dc=org"
rootpw ${rootPassword}
directory ${file('db')}
overlay memberof
index objectClass,uid,member,entryUUID eq
`
}

const namesOfMany = Array.from({ length: 2000 }, (_, index) => `user${index}`)

function tree(extraGroups: number): string {
  const entries = [
    'dn: dc=example,dc=org\nobjectClass: dcObject\nobjectClass: organization\no: Example',
    `dn: ${people}\nobjectClass: organizationalUnit`,
    `dn: ${groups}\nobjectClass: organizationalUnit`,
    person('alice', { cn: 'Alice A', memberOf: [`cn=Devs,${groups}`, `cn=Smith\\, Jo (ops),${groups}`] }),
    person('bob', { cn: 'Bob B', memberOf: [] }),
    person('carol', { cn: 'Carol Ç', memberOf: [`cn=many,${groups}`, ...extra(extraGroups)] }),
    person('Twin', { cn: 'Twin', memberOf: [], ou: 'east' }),
    `dn: ou=east,${people}\nobjectClass: organizationalUnit`,
    ...namesOfMany.map((name) => person(name, { cn: name, memberOf: [`cn=many,${groups}`] })),
    group('Devs', [`uid=alice,${people}`], [`cn=all,${groups}`]),
    group('Smith\\, Jo (ops)', [`uid=alice,${people}`], []),
    group('all', [`cn=Devs,${groups}`, `cn=circle,${groups}`], [`cn=circle,${groups}`]),
    group('circle', [`cn=all,${groups}`], [`cn=all,${groups}`]),
    group(
      'many',
      ['carol', ...namesOfMany].map((name) => `uid=${name},${people}`),
      [],
    ),
    ...extra(extraGroups).map((dn) => group(dn.slice(3, dn.indexOf(',')), [`uid=carol,${people}`], [])),
  ]
  // A parent stands before what is below it.
  const [root, ...rest] = entries
  return [root, ...rest.toSorted((a, b) => depth(a) - depth(b))].join('\n\n') + '\n'
}

function depth(entry: string): number {
  return (entry.split('\n')[0]?.match(/(?<!\\),/g) ?? []).length
}

function extra(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `cn=extra${index},${groups}`)
}

function person(uid: string, facts: { readonly cn: string; readonly memberOf: readonly string[]; readonly ou?: string }): string {
  const dn = facts.ou === undefined ? `uid=${uid},${people}` : `uid=${uid},ou=${facts.ou},${people}`
  const memberOf = facts.memberOf.map((each) => `\nmemberOf: ${each}`).join('')
  const cn = `cn:: ${Buffer.from(facts.cn).toString('base64')}`
  return `dn: ${dn}\nobjectClass: inetOrgPerson\nuid: ${uid}\n${cn}\nsn: S\nmail: ${uid}@example.org\nuserPassword: ${uid}-Passw0rd${memberOf}`
}

function group(cn: string, members: readonly string[], memberOf: readonly string[]): string {
  const lines = [...members.map((member) => `member: ${member}`), ...memberOf.map((each) => `memberOf: ${each}`)]
  return `dn: cn=${cn},${groups}\nobjectClass: groupOfNames\ncn: ${cn.replaceAll('\\', '')}\n${lines.join('\n')}`
}

function provisionCommand(directory: string): readonly string[] {
  const command = `samba-tool domain provision --realm=${realm} --domain=AD --server-role=dc --dns-backend=NONE --adminpass=${adPassword}`
  const place = [`--targetdir=${directory}`, '--host-ip=127.0.0.1', '--option=interfaces=lo', '--option=bind interfaces only=yes']
  return [...command.split(' '), ...place]
}

const realm = 'AD.EXAMPLE.TEST'
const adBase = 'DC=ad,DC=example,DC=test'
const adPassword = 'Adm1n-pass!'

/** A Samba domain controller on the ports 389 and 636, which it cannot leave. With `strongAuth` it refuses passwords in the clear, as Windows does. */
export async function startActiveDirectory(options: { readonly strongAuth?: boolean } = {}): Promise<DirectoryServer> {
  const work = await temporaryDirectory('samba')
  await chmod(work.path, 0o755)
  const config = join(work.path, 's', 'etc', 'smb.conf')
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8' }
  await run(provisionCommand(join(work.path, 's')), { env, timeoutMs: 180_000 })
  const tool = (...command: readonly string[]) =>
    run(['samba-tool', ...command, '-H', join(work.path, 's', 'private', 'sam.ldb'), '-s', config], { env })
  for (const name of ['alice', 'bob', 'erin', 'frank'])
    await tool('user', 'create', name, `${name}-Passw0rd`, `--mail-address=${name}@example.test`)
  // alice is in Devs, which is in All (Staff), which is in Company; bob is in nothing.
  for (const [group, member] of adGroups) {
    await tool('group', 'add', group)
    await tool('group', 'addmembers', group, member)
  }
  await tool('user', 'setpassword', 'erin', '--newpassword=erin-Passw0rd', '--must-change-at-next-login')
  await tool('user', 'disable', 'frank')
  const start = () =>
    startDaemon(
      [
        'samba',
        '-i',
        '-M',
        'single',
        '-s',
        config,
        '--option=server services=ldap',
        `--option=pid directory=${work.path}`,
        `--option=ldap server require strong auth=${options.strongAuth === true ? 'yes' : 'no'}`,
      ],
      async () => (await tlsAnswers()) && (await answers('ldap://127.0.0.1')),
      { env, readyWithinMs: 90_000 },
    )
  let daemon: Daemon | undefined = await start()
  const authorityFile = join(work.path, 's', 'private', 'tls', 'ca.pem')
  const authority = await readFile(authorityFile, 'utf8')
  return {
    ldapUrl: 'ldap://127.0.0.1',
    ldapsUrl: 'ldaps://127.0.0.1',
    certificates: { authorityFile, authority, certificateFile: '', keyFile: '' },
    bindDn: `administrator@${realm.toLowerCase()}`,
    bindPassword: adPassword,
    searchBase: adBase,
    change: async (ldif) => {
      const bind = ['-D', `administrator@${realm.toLowerCase()}`, '-w', adPassword]
      await run(['ldapmodify', '-x', '-H', 'ldaps://127.0.0.1', ...bind], { env: { ...env, LDAPTLS_REQCERT: 'never' }, input: ldif })
    },
    stop: async () => {
      await daemon?.stop()
      daemon = undefined
    },
    restart: async () => {
      daemon ??= await start()
    },
    logs: () => daemon?.logs() ?? '',
    [Symbol.asyncDispose]: async () => {
      await daemon?.stop()
      await work[Symbol.asyncDispose]()
    },
  }
}

async function tlsAnswers(): Promise<boolean> {
  const { status } = await tryCommand(['ldapsearch', '-x', '-H', 'ldaps://127.0.0.1', '-s', 'base', '-b', '', '1.1'], {
    env: { ...process.env, LDAPTLS_REQCERT: 'never' },
  })
  return status === 0
}

const adGroups = [
  ['Devs', 'alice'],
  ['All (Staff)', 'Devs'],
  ['Company', 'All (Staff)'],
] as const
