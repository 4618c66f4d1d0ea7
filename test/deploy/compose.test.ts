import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { copyFile, cp, readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { after, before, suite, test } from 'node:test'
import { makeCertificates } from '../support/certificates.ts'
import { freePort } from '../support/free-port.ts'
import { sendRequest } from '../support/http-client.ts'
import { run, type CommandResult } from '../support/run-command.ts'
import { makeBucket } from '../support/s3-place.ts'
import { tarOf } from '../support/tar.ts'
import { until } from '../support/until.ts'
import { buildBerthImage, made, skip } from './berth-image.ts'
import { startEngine, type Engine } from './engine.ts'
import { adapted, deployFile } from './example.ts'

let engine: Engine
const startMs = 120_000
const storeKeys = { accessKeyId: 'AKTEST', secretAccessKey: 'SKTEST' }

/** Debian's docker-compose on files of deploy/compose, with these variables. */
function composeOf(name: string, options: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const compose = async (...args: readonly string[]): Promise<CommandResult> =>
    await run(['/usr/bin/docker-compose', '-p', name, ...options, ...args], {
      env: { ...engine.env, ...environment },
      timeoutMs: startMs,
    })
  return {
    compose,
    /** The address of a service's container in the network of the project, which this machine is part of. */
    async addressOf(service: string): Promise<string> {
      const { stdout } = await compose('ps', '-q', service)
      const { stdout: found } = await engine.docker([
        'inspect',
        '-f',
        '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}',
        stdout.trim(),
      ])
      return found.trim()
    },
    async passwordOf(...services: readonly string[]): Promise<string> {
      let password: string | undefined
      await until('the password is printed', async () => {
        password = /password {2}(\S+)/.exec((await compose('logs', '--no-color', ...services)).output)?.[1]
        return password !== undefined
      })
      return password ?? ''
    },
    end: () => compose('down', '-v', '-t', '15'),
  }
}

type Project = ReturnType<typeof composeOf>

/** Waits until it answers; on the way out it says what the containers printed. */
async function answers(project: Project, url: string, status: number, ca?: string): Promise<void> {
  let last: unknown
  const ask = async () => {
    try {
      last = (await sendRequest(url, ca === undefined ? {} : { ca })).status
    } catch (error) {
      last = error
    }
    return last === status
  }
  try {
    await until(`${url} answers ${status}`, ask, startMs)
  } catch (error) {
    throw new Error(`${url}: ${String(last)}\n${(await project.compose('logs', '--no-color', '--tail', '60')).output}`, { cause: error })
  }
}

/** A small image in the engine, with bytes of its own. */
async function makeImage(name: string): Promise<string> {
  const file = engine.file('layer.tar')
  await writeFile(file, tarOf({ 'hello.txt': randomBytes(300_000) }))
  const { stdout } = await engine.docker(['import', file, name])
  return stdout.trim()
}

const logIn = (host: string, password: string) => engine.docker(['login', '-u', 'admin', '--password-stdin', host], { input: password })

/** Takes the image out of the engine and pulls it: it is what was pushed. */
async function pullsAgain(name: string, id: string): Promise<void> {
  await engine.docker(['rmi', '-f', id])
  await engine.docker(['pull', name])
  assert.equal((await engine.docker(['inspect', '-f', '{{.Id}}', name])).stdout.trim(), id)
}

async function buildServices(): Promise<void> {
  await engine.docker(['import', made.services, 'services:test'])
  const context = engine.file('services')
  await cp(new URL('services', import.meta.url), context, { recursive: true })
  await copyFile(fileURLToPath(new URL('../../scripts/ceph-rgw.mjs', import.meta.url)), `${context}/ceph-rgw.mjs`)
  for (const target of ['postgres', 'haproxy', 'ceph'])
    await engine.docker(
      [
        'build',
        '--network',
        'none',
        '--build-arg',
        'BASE=services:test',
        '--target',
        target,
        '-t',
        `${target}:test`,
        '-f',
        `${context}/Containerfile`,
        context,
      ],
      { env: { DOCKER_BUILDKIT: '1' } },
    )
}

suite('the Compose files, run by Debian’s docker-compose', { skip }, () => {
  before(async () => {
    engine = await startEngine()
    await buildBerthImage(engine)
  })

  after(() => engine[Symbol.asyncDispose]())

  test('one-node.yml takes a push and gives it back, also after it was taken down and brought up again', async () => {
    const port = await freePort('127.0.0.1')
    const host = `127.0.0.1:${port}`
    const project = composeOf('one', ['-f', deployFile('compose/one-node.yml')], { BERTH_PORT: String(port) })
    try {
      await project.compose('up', '-d')
      await answers(project, `http://${host}/readyz`, 200)
      await logIn(host, await project.passwordOf('berth'))
      const name = `${host}/library/hello:v1`
      const id = await makeImage(name)
      await engine.docker(['push', name])
      await pullsAgain(name, id)
      await project.compose('restart')
      await answers(project, `http://${host}/readyz`, 200)
      await pullsAgain(name, id)
      // Containers and network go, the volume stays.
      await project.compose('down')
      await project.compose('up', '-d')
      await answers(project, `http://${host}/readyz`, 200)
      await pullsAgain(name, id)
    } finally {
      await project.end()
    }
  })

  test('three-nodes.yml: what is pushed through the balancer is pulled while a node is stopped, and a node that is made anew is found', async () => {
    await buildServices()
    const port = await freePort('127.0.0.1')
    const host = `127.0.0.1:${port}`
    const certificates = await makeCertificates(engine.file('.'), ['IP:127.0.0.1'])
    const both = await Promise.all([certificates.certificateFile, certificates.keyFile].map((file) => readFile(file, 'utf8')))
    await writeFile(engine.file('berth.pem'), both.join('\n'))
    // As an operator fills it in, with an object store in the same network.
    const settings = await adapted('compose/three-nodes.env.example', [
      ['BERTH_URL=https://registry.example.com', `BERTH_URL=https://${host}`],
      ['BERTH_PORT=443', `BERTH_PORT=${port}`],
      ['BERTH_PEM=/etc/haproxy/berth.pem', `BERTH_PEM=${engine.file('berth.pem')}`],
      ['BERTH_SECRET_KEY=', `BERTH_SECRET_KEY=${randomBytes(32).toString('base64')}`],
      ['POSTGRES_PASSWORD=', `POSTGRES_PASSWORD=${randomBytes(9).toString('hex')}`],
      ['S3_ENDPOINT=', 'S3_ENDPOINT=http://store:8000'],
      ['S3_ACCESS_KEY=', `S3_ACCESS_KEY=${storeKeys.accessKeyId}`],
      ['S3_SECRET_KEY=', `S3_SECRET_KEY=${storeKeys.secretAccessKey}`],
      ['S3_HIDDEN=false', 'S3_HIDDEN=true'],
      ['HAPROXY_IMAGE=docker.io/library/haproxy:lts', 'HAPROXY_IMAGE=haproxy:test'],
      ['POSTGRES_IMAGE=docker.io/library/postgres:18', 'POSTGRES_IMAGE=postgres:test'],
    ])
    await writeFile(engine.file('store.yml'), 'services: {store: {image: "ceph:test"}}\n')
    const files = ['--env-file', engine.file('three.env'), '-f', deployFile('compose/three-nodes.yml'), '-f', engine.file('store.yml')]
    const project = composeOf('three', files)
    const nodes = ['berth-1', 'berth-2', 'berth-3']
    const allReady = async () => {
      for (const node of nodes) await answers(project, `http://${await project.addressOf(node)}:5000/readyz`, 200)
    }
    try {
      await writeFile(engine.file('three.env'), settings)
      await project.compose('up', '-d', 'store')
      const store = { endpoint: `http://${await project.addressOf('store')}:8000`, ...storeKeys }
      await until(
        'the object store is there',
        async () => (await project.compose('logs', 'store')).output.includes('Ceph RGW answers'),
        startMs,
      )
      const bucket = await makeBucket(store)
      await writeFile(engine.file('three.env'), settings.replace('S3_BUCKET=berth', `S3_BUCKET=${bucket}`))
      await project.compose('up', '-d')
      await answers(project, `https://${host}/v2/`, 401, certificates.authority)
      await allReady()
      await logIn(host, await project.passwordOf(...nodes))
      const name = `${host}/library/hello:v1`
      const id = await makeImage(name)
      await engine.docker(['push', name])
      await pullsAgain(name, id)
      await project.compose('stop', '-t', '70', 'berth-2')
      for (let turn = 0; turn < 3; turn += 1) await pullsAgain(name, id)
      // A balancer that starts while a node is away.
      await project.compose('restart', 'haproxy')
      await answers(project, `https://${host}/v2/`, 401, certificates.authority)
      await pullsAgain(name, id)
      await project.compose('up', '-d', '--no-deps', '--force-recreate', 'berth-2')
      await allReady()
      const second = await makeImage(`${host}/library/hello:v2`)
      await engine.docker(['push', `${host}/library/hello:v2`])
      await project.compose('stop', '-t', '70', 'berth-1', 'berth-3')
      // Only the node that was made anew is left.
      await answers(project, `https://${host}/v2/`, 401, certificates.authority)
      await pullsAgain(`${host}/library/hello:v2`, second)
      await pullsAgain(name, id)
      await project.compose('start', 'berth-1', 'berth-3')
      await allReady()
    } finally {
      await project.end()
    }
  })
})
