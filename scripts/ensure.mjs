// Installs what the lockfile names and node_modules lacks; says so in one line, and does nothing when all is there.
// What is there, npm itself keeps in node_modules/.package-lock.json, written at the end of a successful install.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findNode, nodePackage, oldestNode } from '../bin/find-node.mjs'

const checkout = fileURLToPath(new URL('..', import.meta.url))

/** Returns the path of a Node that runs Berth. `dev` asks for what the tests and checks need too. Throws an Error whose message is for people. */
export function ensure({ dev, root = checkout }) {
  if (!isComplete({ dev, root })) install({ dev, root })
  const node = root === checkout ? findNode() : process.execPath
  if (node !== undefined) return node
  throw new Error(
    `Berth needs Node ${oldestNode} or newer. This is ${process.versions.node}, and npm has no ${nodePackage} for this machine: install Node 24.`,
  )
}

/** Whether node_modules has every package of the lockfile in its version. An optional one may be missing; the Node that is needed may not. */
export function isComplete({ dev, root }) {
  const wanted = packagesOf(join(root, 'package-lock.json'))
  const present = packagesOf(join(root, 'node_modules/.package-lock.json'))
  if (wanted === undefined || present === undefined) return false
  if (root === checkout && wanted[`node_modules/${nodePackage}`] !== undefined && findNode() === undefined) return false
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '' || (!dev && (entry.dev || entry.devOptional))) return true
    const found = present[path]
    if (found === undefined || !existsSync(join(root, path, 'package.json'))) return Boolean(entry.optional || entry.devOptional)
    return found.version === entry.version && found.integrity === entry.integrity
  })
}

function packagesOf(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages
  } catch {
    return undefined
  }
}

function install({ dev, root }) {
  const runs = root === join(checkout, 'web') ? 'the packages that the portal is built with' : 'the packages that Berth runs on'
  console.error(`Installing ${dev ? 'all packages' : runs} with npm …`)
  // Not `npm ci`, which refuses a lockfile without the optional packages of other platforms, and a registry may lack some of those. Versions and
  // checksums are the lockfile's all the same, and --no-save leaves it as it is.
  const options = [
    'install',
    '--no-save',
    '--no-audit',
    '--no-fund',
    '--ignore-scripts',
    dev ? '--include=dev' : '--omit=dev',
    '--include=optional',
  ]
  const { status, stdout, stderr, error } = runNpm(options, root)
  if (error !== undefined) throw new Error(`npm could not be started (${error.message}): install npm, which comes with Node.`)
  if (status === 0 && isComplete({ dev, root })) return
  const output = `${stdout}${stderr}`
  const said = output.split('\n').filter((line) => /npm (error|ERR!)/.test(line))
  const isOffline = /E(NOTFOUND|AI_AGAIN|CONNREFUSED|CONNRESET|TIMEDOUT|NETUNREACH|HOSTUNREACH)|ERR_SOCKET_TIMEOUT/.test(output)
  const advice = isOffline
    ? 'The npm registry cannot be reached: check the network, the proxy, and what "npm config get registry" names.'
    : 'npm could not install what package-lock.json names; what it said stands above.'
  throw new Error([...said.slice(0, 15), advice].join('\n'))
}

function runNpm(options, root) {
  const settings = { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 64 * 1024 * 1024 }
  // Under `npm run` this names npm's own script, which this Node runs whatever PATH says.
  const script = process.env.npm_execpath ?? besideNode()
  if (script !== undefined && /npm-cli\.c?js$/.test(script)) return spawnSync(process.execPath, [script, ...options], settings)
  return spawnSync('npm', options, { ...settings, shell: process.platform === 'win32' })
}

function besideNode() {
  try {
    return createRequire(process.execPath).resolve('npm/bin/npm-cli.js')
  } catch {
    return undefined
  }
}
