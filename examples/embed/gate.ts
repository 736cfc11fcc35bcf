/**
 * A gate inside a program of your own: start it, move traffic through the same calls that the admin API makes, stop it.
 *
 *   npx node examples/embed/gate.ts examples/quickstart/tealgate.yaml
 *
 * In another project, import from 'tealgate'.
 */
import { startGate, TealgateError } from '../../src/index.ts';

const [configPath = 'tealgate.yaml', service = 'shop', to = 'green'] = process.argv.slice(2);
try {
  const gate = await startGate({ configPath });
  const { version } = await gate.control.switchTo(service, to, { actor: 'embed example', force: true });
  console.error(`snapshot ${version}: all new traffic of ${service} goes to ${to}`);
  await gate.stop();
} catch (error) {
  if (!(error instanceof TealgateError)) throw error;
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = 1;
}
