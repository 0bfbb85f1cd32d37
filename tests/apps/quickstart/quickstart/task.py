"""quickstart: model, data, training and testing."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    """A small network for points in the plane."""

    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(2, 32)
        self.fc2 = nn.Linear(32, 3)

    def forward(self, x):
        return self.fc2(F.relu(self.fc1(x)))


def _spirals(seed, count):
    """Three interleaved spirals, one class each."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 3, count)
    radius = rng.uniform(0.1, 1.0, count)
    angle = 4 * radius + label * 2 * np.pi / 3 + rng.normal(0, 0.1, count)
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return TensorDataset(torch.tensor(points, dtype=torch.float32), torch.tensor(label))


def load_data(partition_id: int, num_partitions: int):
    """Load this partition's data."""
    assert 0 <= partition_id < num_partitions
    trainloader = DataLoader(_spirals(partition_id, 600), batch_size=32, shuffle=True)
    testloader = DataLoader(_spirals(1000 + partition_id, 200), batch_size=64)
    return trainloader, testloader


def load_centralized_dataset():
    """Load the test set that the server uses."""
    return DataLoader(_spirals(9999, 600), batch_size=128)


def train(net, trainloader, epochs, lr, device):
    """Train the model on the training set."""
    net.to(device)
    criterion = torch.nn.CrossEntropyLoss().to(device)
    optimizer = torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9)
    net.train()
    running_loss = 0.0
    for _ in range(epochs):
        for points, labels in trainloader:
            optimizer.zero_grad()
            loss = criterion(net(points.to(device)), labels.to(device))
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
    return running_loss / (epochs * len(trainloader))


def test(net, testloader, device):
    """Validate the model on the test set."""
    net.to(device)
    net.eval()
    criterion = torch.nn.CrossEntropyLoss()
    correct, loss = 0, 0.0
    with torch.no_grad():
        for points, labels in testloader:
            outputs = net(points.to(device))
            loss += criterion(outputs, labels.to(device)).item()
            correct += (torch.max(outputs, 1)[1] == labels.to(device)).sum().item()
    return loss / len(testloader), correct / len(testloader.dataset)
