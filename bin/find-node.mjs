// Which Node can run Berth, and where npm put one when the machine's own is older. Plain JavaScript that old Nodes understand.
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/** Type stripping, node:sqlite and argon2 are stable from there on; 24.17 cuts kept-alive answers short. */
export const oldestNode = '24.18.0'

/** Whether Berth runs on this version of Node. */
export function isRecentEnough(version) {
  const [major, minor] = version.split('.').map(Number)
  const [oldestMajor, oldestMinor] = oldestNode.split('.').map(Number)
  return major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)
}

/** The npm package that holds a Node for this machine, an optional dependency of Berth. */
export const nodePackage = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`

/** The path of a Node that runs Berth: this process's own, or the one of the npm package; undefined when there is neither. */
export function findNode() {
  if (isRecentEnough(process.versions.node)) return process.execPath
  try {
    const manifest = createRequire(import.meta.url).resolve(`${nodePackage}/package.json`)
    const node = join(dirname(manifest), 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
    return existsSync(node) && isRecentEnough(JSON.parse(readFileSync(manifest, 'utf8')).version) ? node : undefined
  } catch {
    return undefined
  }
}
