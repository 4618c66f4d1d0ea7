/** A robot's secrets, side by side so that one is replaced without a gap, and the workloads that may act as it without any. */
import type { ItemOf } from '../../api/client.ts'
import { ActionIcon, Alert, Autocomplete, Button, Group, Select, Stack, Text, Textarea, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Info, KeyRound, Plus, Trash2 } from 'lucide-react'
import { useState } from 'react'
import { change, query } from '../../api/client.ts'
import {
  addProjectRobotTrust,
  addRobotSecret,
  addRobotTrust,
  listProjectRobotSecrets,
  listProjectRobotTrusts,
  listProviders,
  listRobots,
  listRobotSecrets,
  listRobotTrusts,
  readProjectRobot,
  readRobot,
  removeProjectRobotTrust,
  removeRobotTrust,
  revokeProjectRobotSecret,
  revokeRobotSecret,
} from '../../api/manage-routes.ts'
import { addProjectRobotSecret, listProjectRobots } from '../../api/routes.ts'
import { useWho } from '../../api/session.ts'
import { act, Dialog, Form, linesOf, useDraft } from '../../parts/form.tsx'
import { Panel, Waiting } from '../../parts/layout.tsx'
import { endAfter, lifetimes, type Lifetime } from '../../parts/lifetimes.ts'
import { Problem, tell } from '../../parts/problem.tsx'
import { RelativeTime } from '../../parts/relative-time.tsx'
import { useRoleTitle } from '../../parts/role-title.ts'
import { Row } from '../../parts/rows.tsx'
import { Said } from '../../parts/said.ts'
import { SecretOnce } from '../../parts/secret-once.tsx'
import { useWords } from '../../parts/use-words.ts'

type Secret = ItemOf<typeof listRobotSecrets>
type Trust = ItemOf<typeof listRobotTrusts>

export interface DetailsProps {
  /** Undefined: a robot of the system. */
  readonly project: string | undefined
  readonly robot: { readonly id: number; readonly login: string }
  readonly mayChange: boolean
}

const touched = [listRobotSecrets, listProjectRobotSecrets, listRobotTrusts, listProjectRobotTrusts, listRobots, listProjectRobots]

export function RobotDetails(props: DetailsProps) {
  return (
    <Stack>
      <Text className="mono wrap" fw={600}>
        {props.robot.login}
      </Text>
      <Grants {...props} />
      <Secrets {...props} />
      <Trusts {...props} />
    </Stack>
  )
}

function Grants({ project, robot }: DetailsProps) {
  const { t } = useWords()
  const titleOf = useRoleTitle()
  const ofProject = useQuery({
    ...query(readProjectRobot, { params: { project: project ?? '-', robot: robot.id } }),
    enabled: project !== undefined,
  })
  const ofSystem = useQuery({ ...query(readRobot, { params: { robot: robot.id } }), enabled: project === undefined })
  const { data, error } = project === undefined ? ofSystem : ofProject
  return (
    <Panel title={t('manage:robots.grants')} isFlush>
      {error !== null && <Problem error={error} />}
      {data === undefined && error === null && <Waiting rows={1} />}
      {data !== undefined && (data.grants.length === 0 || data.allowedAddresses.length > 0) && (
        <Text size="sm" c="dimmed" p={16} className="wrap">
          {data.grants.length === 0
            ? t('manage:robots.noGrants')
            : t('manage:robots.from', { addresses: data.allowedAddresses.join(', ') })}
        </Text>
      )}
      <ul className="rows">
        {data?.grants.map((grant) => (
          <Row key={grant.id} title={titleOf(grant.role)} text={grant.repositories ?? grant.project ?? t('members.origin.everything')} />
        ))}
      </ul>
    </Panel>
  )
}

function Secrets({ project, robot, mayChange }: DetailsProps) {
  const { t } = useWords()
  const [isAdding, setAdding] = useState(false)
  const [made, setMade] = useState<string>()
  const ofProject = useQuery({
    ...query(listProjectRobotSecrets, { params: { project: project ?? '-', robot: robot.id }, query: { limit: 100 } }),
    enabled: project !== undefined,
  })
  const ofSystem = useQuery({
    ...query(listRobotSecrets, { params: { robot: robot.id }, query: { limit: 100 } }),
    enabled: project === undefined,
  })
  const { data, error } = project === undefined ? ofSystem : ofProject
  const revoke = async ({ id, hint }: Secret) => {
    if (project === undefined) await change(revokeRobotSecret, { params: { robot: robot.id, secret: id } }, touched)
    else await change(revokeProjectRobotSecret, { params: { project, robot: robot.id, secret: id } }, touched)
    tell(t('manage:robots.revoked', { name: hint }))
  }
  const add = mayChange ? (
    <Button size="compact-sm" variant="default" leftSection={<Plus size={14} />} onClick={() => setAdding(true)}>
      {t('robots.addSecret')}
    </Button>
  ) : undefined
  return (
    <Panel title={t('manage:robots.secrets')} actions={add} isFlush>
      <Text size="sm" c="dimmed" px={16} pt={12}>
        {t('manage:robots.rotation')}
      </Text>
      {error !== null && <Problem error={error} />}
      {data === undefined && error === null && <Waiting rows={2} />}
      <ul className="rows">
        {data?.items.map((secret) => (
          <OneSecret key={secret.id} secret={secret} revoke={mayChange ? () => void act(() => revoke(secret)) : undefined} />
        ))}
      </ul>
      {data?.items.length === 0 && (
        <Text size="sm" c="dimmed" p={16}>
          {t('manage:robots.noSecrets')}
        </Text>
      )}
      <Dialog title={t('robots.addSecret')} opened={isAdding} close={() => setAdding(false)}>
        <AddSecret project={project} robot={robot.id} close={() => setAdding(false)} onMade={setMade} />
      </Dialog>
      <Dialog title={t('secret.title')} opened={made !== undefined} close={() => setMade(undefined)} isHeld>
        {made !== undefined && <SecretOnce login={robot.login} secret={made} close={() => setMade(undefined)} />}
      </Dialog>
    </Panel>
  )
}

function OneSecret({ secret, revoke }: { readonly secret: Secret; readonly revoke: (() => void) | undefined }) {
  const { t } = useWords()
  return (
    <Row
      title={
        <Group gap={8}>
          <KeyRound size={14} aria-hidden />
          <span className="mono">{`${secret.hint}…`}</span>
          {secret.name}
        </Group>
      }
      text={<SecretFacts secret={secret} />}
    >
      {revoke !== undefined && (
        <Button size="compact-xs" variant="default" color="red" onClick={revoke} aria-label={t('tokens.revokeThis', { name: secret.hint })}>
          {t('tokens.revoke')}
        </Button>
      )}
    </Row>
  )
}

function SecretFacts({ secret: { expiresAt, lastUsedAt, createdAt, createdBy } }: { readonly secret: Secret }) {
  const { t } = useWords()
  return (
    <>
      {createdBy} <RelativeTime at={createdAt} /> · {t('robots.used')}:{' '}
      {lastUsedAt === null ? t('tags.never') : <RelativeTime at={lastUsedAt} />} · {t('members.until')}:{' '}
      {expiresAt === null ? t('members.always') : <RelativeTime at={expiresAt} />}
    </>
  )
}

interface AddProps {
  readonly project: string | undefined
  readonly robot: number
  readonly close: () => void
}

function AddSecret({ project, robot, close, onMade }: AddProps & { readonly onMade: (secret: string) => void }) {
  const { t } = useWords()
  const { draft, text, put } = useDraft({ name: '', lifetime: '90' as Lifetime })
  const save = async () => {
    const body = { name: draft.name.trim(), expiresAt: endAfter(draft.lifetime) }
    const { secret } =
      project === undefined
        ? await change(addRobotSecret, { params: { robot }, body }, touched)
        : await change(addProjectRobotSecret, { params: { project, robot }, body }, touched)
    close()
    onMade(secret)
  }
  return (
    <Form save={save} close={close} submit={t('common.create')}>
      <TextInput label={t('common.name')} description={t('manage:robots.secretHint')} {...text('name')} data-autofocus autoComplete="off" />
      <Select
        label={t('lifetime.label')}
        data={lifetimes.map((value) => ({ value, label: t(`lifetime.${value}`) }))}
        value={draft.lifetime}
        onChange={(value) => value !== null && put({ lifetime: value as Lifetime })}
      />
    </Form>
  )
}

function Trusts({ project, robot, mayChange }: DetailsProps) {
  const { t } = useWords()
  const [isAdding, setAdding] = useState(false)
  const ofProject = useQuery({
    ...query(listProjectRobotTrusts, { params: { project: project ?? '-', robot: robot.id } }),
    enabled: project !== undefined,
  })
  const ofSystem = useQuery({ ...query(listRobotTrusts, { params: { robot: robot.id } }), enabled: project === undefined })
  const { data, error } = project === undefined ? ofSystem : ofProject
  const remove = async ({ id }: Trust) => {
    if (project === undefined) await change(removeRobotTrust, { params: { robot: robot.id, trust: id } }, touched)
    else await change(removeProjectRobotTrust, { params: { project, robot: robot.id, trust: id } }, touched)
    tell(t('manage:robots.trustRemoved'))
  }
  const add = mayChange ? (
    <Button size="compact-sm" variant="default" leftSection={<Plus size={14} />} onClick={() => setAdding(true)}>
      {t('manage:robots.addTrust')}
    </Button>
  ) : undefined
  return (
    <Panel title={t('manage:robots.trusts')} actions={add} isFlush>
      {error !== null && <Problem error={error} />}
      {data?.items.length === 0 && (
        <Text size="sm" c="dimmed" p={16}>
          {t('manage:robots.noTrusts')}
        </Text>
      )}
      <ul className="rows">
        {data?.items.map((trust) => (
          <Row
            key={trust.id}
            title={`${trust.provider} → ${trust.audience}`}
            text={
              <>
                {trust.description !== '' && <div>{trust.description}</div>}
                {Object.entries(trust.claims).map(([claim, pattern]) => (
                  <div key={claim} className="mono">{`${claim} = ${pattern}`}</div>
                ))}
              </>
            }
          >
            {mayChange && (
              <ActionIcon onClick={() => void act(() => remove(trust))} aria-label={t('manage:common.remove', { name: trust.provider })}>
                <Trash2 size={15} />
              </ActionIcon>
            )}
          </Row>
        ))}
      </ul>
      <Dialog title={t('manage:robots.addTrust')} opened={isAdding} close={() => setAdding(false)} size={560}>
        <AddTrust project={project} robot={robot.id} close={() => setAdding(false)} />
      </Dialog>
    </Panel>
  )
}

function AddTrust({ project, robot, close }: AddProps) {
  const { t } = useWords()
  const who = useWho()
  const { data } = useQuery({ ...query(listProviders), enabled: who.may('provider:list') })
  const { draft, text, put } = useDraft({ provider: '', audience: location.origin, claims: '', description: '' })
  const save = async () => {
    const claims = claimsOf(draft.claims, t('manage:robots.badClaim'))
    const body = { provider: draft.provider.trim(), audience: draft.audience.trim(), description: draft.description, claims }
    if (project === undefined) await change(addRobotTrust, { params: { robot }, body }, touched)
    else await change(addProjectRobotTrust, { params: { project, robot }, body }, touched)
    tell(t('common.saved'))
    close()
  }
  return (
    <Form save={save} close={close} submit={t('common.add')}>
      <Alert icon={<Info size={17} />} color="blue">
        <Text size="sm" c="var(--mantine-color-text)">
          {t('manage:robots.trustText')}
        </Text>
      </Alert>
      <Autocomplete
        label={t('manage:robots.provider')}
        data={(data?.items ?? []).filter(({ kind }) => kind === 'workload').map(({ name }) => name)}
        value={draft.provider}
        onChange={(provider) => put({ provider })}
        data-autofocus
        required
        withAsterisk={false}
      />
      <TextInput
        label={t('manage:robots.audience')}
        description={t('manage:robots.audienceHint')}
        {...text('audience')}
        required
        withAsterisk={false}
      />
      <Textarea
        label={t('manage:robots.claims')}
        description={t('manage:robots.claimsHint')}
        placeholder={'repository = acme/api\nref = refs/heads/main'}
        autosize
        minRows={3}
        classNames={{ input: 'mono' }}
        spellCheck={false}
        {...text('claims')}
      />
      <TextInput label={t('common.description')} {...text('description')} />
    </Form>
  )
}

/** `claim = pattern`, one a line. */
function claimsOf(text: string, sentence: string): Record<string, string> {
  return Object.fromEntries(
    linesOf(text).map((line) => {
      const at = line.indexOf('=')
      if (at < 1 || line.slice(at + 1).trim() === '') throw new Said(`${sentence} ${line}`)
      return [line.slice(0, at).trim(), line.slice(at + 1).trim()]
    }),
  )
}
