/** A robot's secrets, side by side so that one is replaced without a gap. */
import { Button, Group, Text, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { KeyRound, Plus } from 'lucide-react'
import { useState } from 'react'
import { LifetimeField } from '../../parts/fields.tsx'
import { Dialog, Form, useDraft, WorkButton } from '../../parts/form.tsx'
import { Panel } from '../../parts/layout.tsx'
import { endAfter, type Lifetime } from '../../parts/lifetimes.ts'
import { Loaded } from '../../parts/loaded.tsx'
import { tell } from '../../parts/problem.tsx'
import { RelativeTime } from '../../parts/relative-time.tsx'
import { Row } from '../../parts/rows.tsx'
import { SecretDialog } from '../../parts/secret-once.tsx'
import { useWords } from '../../parts/use-words.ts'
import { robotCalls, type RobotSecret } from './robot-calls.ts'
import type { RobotPartProps } from './robot-details.tsx'

export function RobotSecrets({ project, robot, mayChange }: RobotPartProps) {
  const { t } = useWords()
  const [isAdding, setAdding] = useState(false)
  const [secret, setSecret] = useState<string>()
  const calls = robotCalls(project)
  const list = useQuery(calls.secrets(robot.id))
  const revoke = async ({ id, hint }: RobotSecret) => {
    await calls.revokeSecret(robot.id, id)
    tell(t('manage:robots.revoked', { name: hint }))
  }
  const add = mayChange ? (
    <Button size="compact-sm" variant="default" leftSection={<Plus size={14} />} onClick={() => setAdding(true)}>
      {t('robots.addSecret')}
    </Button>
  ) : undefined
  return (
    <Panel title={t('manage:robots.secrets')} actions={add} isFlush>
      <Loaded of={list} rows={2}>
        {({ items }) => (
          <>
            <Text size="sm" c="dimmed" px={16} py={12}>
              {items.length === 0 ? t('manage:robots.noSecrets') : t('manage:robots.rotation')}
            </Text>
            <ul className="rows">
              {items.map((each) => (
                <OneSecret key={each.id} secret={each} revoke={mayChange ? () => revoke(each) : undefined} />
              ))}
            </ul>
          </>
        )}
      </Loaded>
      <Dialog title={t('robots.addSecret')} opened={isAdding} close={() => setAdding(false)}>
        <AddSecret project={project} robot={robot.id} close={() => setAdding(false)} onMade={setSecret} />
      </Dialog>
      <SecretDialog made={secret === undefined ? undefined : { login: robot.login, secret }} close={() => setSecret(undefined)} />
    </Panel>
  )
}

function OneSecret({ secret, revoke }: { readonly secret: RobotSecret; readonly revoke: (() => Promise<void>) | undefined }) {
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
        <WorkButton size="compact-xs" variant="default" work={revoke} aria-label={t('tokens.revokeThis', { name: secret.hint })}>
          {t('tokens.revoke')}
        </WorkButton>
      )}
    </Row>
  )
}

function SecretFacts({ secret: { expiresAt, lastUsedAt, createdAt, createdBy } }: { readonly secret: RobotSecret }) {
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
  readonly onMade: (secret: string) => void
}

function AddSecret({ project, robot, close, onMade }: AddProps) {
  const { t } = useWords()
  const { draft, text, put } = useDraft({ name: '', lifetime: '90' as Lifetime })
  const save = async () => {
    const body = { name: draft.name.trim(), expiresAt: endAfter(draft.lifetime) }
    const { secret } = await robotCalls(project).addSecret(robot, body)
    close()
    onMade(secret)
  }
  return (
    <Form save={save} close={close} submit={t('common.create')}>
      <TextInput label={t('common.name')} description={t('manage:robots.secretHint')} {...text('name')} data-autofocus autoComplete="off" />
      <LifetimeField value={draft.lifetime} onChange={(lifetime) => put({ lifetime })} />
    </Form>
  )
}
