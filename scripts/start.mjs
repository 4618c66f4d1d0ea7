// `npm start [-- FILE]`: installs what is missing, then starts Berth. Without a file its data is in ./data of the checkout.
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildWeb } from './build-web.mjs'
import { ensure } from './ensure.mjs'

const checkout = fileURLToPath(new URL('..', import.meta.url))
// npm changes to the checkout; a file is meant as it was typed.
const typedIn = process.env.INIT_CWD ?? process.cwd()
const given = process.argv.slice(2).map((argument) => (argument.startsWith('-') ? argument : resolve(typedIn, argument)))

let node
try {
  node = ensure({ dev: false })
} catch (error) {
  console.error(error.message)
  process.exit(1)
}
try {
  buildWeb({ node })
} catch (error) {
  console.error(`${error.message}\nBerth starts without its portal; npm run build:web tries again.`)
}
process.chdir(checkout)
process.argv = [process.argv[0], resolve(checkout, 'bin/berth.mjs'), 'serve', ...given]
await import('../bin/berth.mjs')
