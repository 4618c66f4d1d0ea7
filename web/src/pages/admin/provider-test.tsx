/** Tries a provider out: what was done step by step, how each went, and who was found. */
import type { ResponseOf } from '#api/contract.ts'
import type { testProvider } from '#api/routes/providers.ts'
import { Badge, Group, Stack, Text, TextInput } from '@mantine/core'
import { Check, X } from 'lucide-react'
import { useState } from 'react'
import { PasswordField } from '../../parts/fields.tsx'
import { Form, useDraft } from '../../parts/form.tsx'
import { Panel } from '../../parts/layout.tsx'
import { Facts, Row } from '../../parts/rows.tsx'
import { useWords } from '../../parts/use-words.ts'
import type { FormKind } from './provider-fields.ts'

type Outcome = ResponseOf<typeof testProvider>

/** Whom to look for, or to sign in as. */
interface Person {
  readonly name?: string
  readonly password?: string
}

interface TestProps {
  readonly kind: FormKind
  readonly test: (person: Person) => Promise<Outcome>
}

export function ProviderTest({ kind, test }: TestProps) {
  const { t } = useWords()
  const { draft, text } = useDraft({ name: '', password: '' })
  const [outcome, setOutcome] = useState<Outcome>()
  const hasPeople = kind === 'ldap' || kind === 'htpasswd'
  const run = async () => {
    setOutcome(undefined)
    const name = draft.name.trim()
    setOutcome(await test(hasPeople ? { ...(name !== '' && { name }), ...(draft.password !== '' && { password: draft.password }) } : {}))
  }
  return (
    <Panel title={t('manage:providers.test')}>
      <Form save={run} submit={t('manage:providers.tryOut')}>
        <Text size="sm" c="dimmed">
          {hasPeople ? t('manage:providers.testPeople') : t('manage:providers.testText')}
        </Text>
        {hasPeople && (
          <Group grow>
            <TextInput label={t('session.name')} {...text('name')} autoComplete="off" />
            <PasswordField label={t('session.password')} {...text('password')} autoComplete="off" />
          </Group>
        )}
      </Form>
      <div aria-live="polite">{outcome !== undefined && <Steps outcome={outcome} />}</div>
    </Panel>
  )
}

function Steps({ outcome: { passed, steps, person } }: { readonly outcome: Outcome }) {
  const { t } = useWords()
  return (
    <Stack gap="sm" mt="md">
      <Group gap={8}>
        <Badge color={passed ? 'tide' : 'red'} variant="dot" size="lg">
          {passed ? t('manage:providers.passed') : t('manage:providers.failed')}
        </Badge>
      </Group>
      <ul className="rows" aria-label={t('manage:providers.steps')}>
        {steps.map(({ step, passed: isFine, message, durationMs }, at) => (
          <Row
            key={`${at} ${step}`}
            title={
              <Group gap={8} wrap="nowrap">
                {isFine ? (
                  <Check size={15} aria-label={t('manage:providers.stepPassed')} color="var(--mantine-primary-color-filled)" />
                ) : (
                  <X size={15} aria-label={t('manage:providers.stepFailed')} color="var(--mantine-color-red-filled)" />
                )}
                <span lang="en">{step}</span>
              </Group>
            }
            text={<span lang="en">{message}</span>}
          >
            <span className="number">{`${durationMs} ms`}</span>
          </Row>
        ))}
      </ul>
      {person !== null && (
        <Facts
          facts={[
            [t('session.name'), person.name],
            [t('account.displayName'), person.displayName],
            [t('account.email'), person.email],
            [
              t('manage:providers.subject'),
              <span key="subject" className="mono">
                {person.subject}
              </span>,
            ],
            [t('manage:groups.title'), person.groups.length === 0 ? '–' : person.groups.join(', ')],
            [
              t('account.administrator'),
              person.isAdministrator === null
                ? t('manage:providers.leftAlone')
                : person.isAdministrator
                  ? t('manage:common.yes')
                  : t('manage:common.no'),
            ],
          ]}
        />
      )}
    </Stack>
  )
}
