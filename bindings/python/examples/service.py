import elbus

service = elbus.Service()


@service.method
def add(a, b):
    """Add b to a."""
    return a + b


service.run("plant.adder")
