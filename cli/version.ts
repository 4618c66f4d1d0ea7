import type { Command } from 'commander'
import { versionText } from './version-text.ts'

/** `berth version`: what a report of a fault should name. */
export function registerVersion(program: Command): void {
  program
    .command('version')
    .description('print the versions of Berth, Node and SQLite')
    .action(() => {
      const { node, sqlite, openssl } = process.versions
      console.log(`${versionText()}\nnode ${node} (${process.platform} ${process.arch})\nsqlite ${sqlite ?? 'unknown'}\nopenssl ${openssl}`)
    })
}
